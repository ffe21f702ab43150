//! The kernel's forwarding tests, unmodified, and the tools that they ask for.
//!
//! Invariant: nothing of this machine is changed: what its own packages lack is unpacked beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::image::{done, fresh, unpack};
use crate::command::{output, run};

/// The tests of one kernel series: the folder `net`, with `forwarding` in it.
pub(super) fn ensure(cache: &Path, series: &str) -> Result<PathBuf> {
    let folder = cache.join(format!("selftests-{series}"));
    if folder.exists() {
        return Ok(folder);
    }
    let new = fresh(&folder)?;
    println!("judge: fetching the tests of Linux {series} (150 MB of sources)");
    let sources = folder.with_extension("sources");
    let _ = fs::remove_dir_all(&sources);
    unpack(&[], &format!("linux-source-{series}"), &sources)?;
    let inside = format!("linux-source-{series}/tools/testing/selftests/net");
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(sources.join(format!("usr/src/linux-source-{series}.tar.xz")));
    run(tar.arg("-C").arg(&new).arg("--strip-components=5").arg(inside))?;
    fs::remove_dir_all(&sources).context("cannot remove the kernel's sources")?;
    done(&new, &folder)?;
    Ok(folder)
}

/// A newer iproute2 than this machine's, where that is too old for some of the tests.
pub(super) fn tools(cache: &Path) -> Result<Option<PathBuf>> {
    let mut bridge = Command::new("bridge");
    let help = bridge.args(["mdb", "help"]).output().context("cannot start bridge")?;
    if String::from_utf8_lossy(&help.stderr).contains("flush") {
        return Ok(None);
    }
    let folder = cache.join("iproute2");
    if folder.exists() {
        return Ok(Some(folder));
    }
    match backport(&folder) {
        Ok(()) => Ok(Some(folder)),
        Err(error) => {
            println!(
                "judge: this machine's iproute2 is too old for some tests, they will be skipped"
            );
            println!("judge: {error:#}");
            Ok(None)
        }
    }
}

/// From Debian's backports, read with lists of packages of its own.
fn backport(folder: &Path) -> Result<()> {
    let release =
        fs::read_to_string("/etc/os-release").context("cannot tell which Debian this is")?;
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let codename = codename.context("cannot tell which Debian this is")?.trim_matches('"');
    println!("judge: fetching a newer iproute2 from {codename}-backports");
    let apt = folder.with_extension("apt");
    let _ = fs::remove_dir_all(&apt);
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part)).context("cannot make folders for apt")?;
    }
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let line =
        format!("deb [signed-by={key}] http://deb.debian.org/debian {codename}-backports main\n");
    fs::write(apt.join("sources.list"), line).context("cannot write a list of sources")?;
    let at = apt.display();
    let options: Vec<String> = [
        format!("Dir::Etc::sourcelist={at}/sources.list"),
        "Dir::Etc::sourceparts=/dev/null".to_owned(),
        format!("Dir::State::lists={at}/lists"),
        format!("Dir::Cache={at}/cache"),
        "APT::Sandbox::User=root".to_owned(),
    ]
    .into_iter()
    .flat_map(|option| ["-o".to_owned(), option])
    .collect();
    run(Command::new("apt-get").args(&options).args(["-q", "update"]))?;
    // The machine's own version is among the candidates too.
    let versions = output(Command::new("apt-cache").args(&options).args(["madison", "iproute2"]))?;
    let version = versions.lines().find_map(|line| line.split('|').nth(1)).map(str::trim);
    let version = version.context("the backports have no iproute2")?;
    let new = fresh(folder)?;
    unpack(&options, &format!("iproute2={version}"), &new)?;
    fs::remove_dir_all(&apt).context("cannot remove apt's lists")?;
    done(&new, folder)
}
