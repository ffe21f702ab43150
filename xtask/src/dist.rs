//! `cargo xtask dist`: what a packager or an operator unpacks.
//!
//! Invariant: the same sources give the same archive: sorted, owned by nobody in particular, and
//! dated by the last commit. A distribution that failed half-way has no archive.

use crate::build::{release, root, target_dir};
use crate::setup::{self, Purpose};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As weir calls the shell, and as the shell looks for its file.
const SHELLS: [(&str, &str); 3] = [("bash", "weir"), ("zsh", "_weir"), ("fish", "weir.fish")];
/// Copied as they are, folders with all that is in them; those marked may be missing.
const COPIED: [(&str, bool); 9] = [
    ("LICENSE-MIT", true),
    ("LICENSE-APACHE", true),
    ("README.md", true),
    ("CHANGELOG.md", true),
    ("docs/weir.example.toml", true),
    ("docs/settings.md", true),
    ("docs/dumps.md", true),
    ("docs/grafana", false),
    ("docs/prometheus", false),
];

pub(crate) fn run() -> Result<()> {
    setup::ensure(Purpose::Build)?;
    let binary = release(&["weir"], &["weir"])?.join("weir");
    let archive = pack(&binary, &target_dir()?.join("dist"))?;
    println!("{}\n{}.sha256", archive.display(), archive.display());
    Ok(())
}

/// Puts everything around `binary` into a folder below `dist`, and that into an archive.
fn pack(binary: &Path, dist: &Path) -> Result<PathBuf> {
    let name = format!("weir-{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let folder = dist.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).context("the last distribution cannot be removed")?;
    }
    let made = |folder: PathBuf| -> Result<PathBuf> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    };
    copy(binary, &made(folder.join("bin"))?.join("weir"))?;
    for (path, needed) in COPIED {
        let from = root().join(path);
        if needed || from.exists() {
            copy(&from, &folder.join(path))?;
        }
    }
    // From the binary that is packed, so that they are of the same version.
    output(Command::new(binary).arg("man").arg(folder.join("man/man1")))?;
    let completions = made(folder.join("completions"))?;
    for (shell, file) in SHELLS {
        let text = output(Command::new(binary).args(["completions", shell]))?;
        if text.is_empty() {
            bail!("weir has no completions for {shell}");
        }
        fs::write(completions.join(file), text)?;
    }
    let archive = dist.join(format!("{name}.tar.gz"));
    tar(dist, &name, &archive)?;
    let sum = output(Command::new("sha256sum").arg(file_name(&archive)).current_dir(dist))?;
    fs::write(dist.join(format!("{name}.tar.gz.sha256")), sum)?;
    Ok(archive)
}

fn tar(dist: &Path, name: &str, archive: &Path) -> Result<()> {
    let date = output(Command::new("git").args(["log", "-1", "--format=@%ct"]).current_dir(root()));
    // Sources without a repository are dated by nothing.
    let date = date
        .map_or_else(|_| "@0".to_owned(), |date| String::from_utf8_lossy(&date).trim().to_owned());
    let partial = dist.join(format!(".{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"])
        .args(["--use-compress-program=gzip -n", &format!("--mtime={date}"), "--create", "--file"])
        .arg(&partial)
        .arg("--directory")
        .arg(dist)
        .arg(name);
    output(&mut tar)?;
    fs::rename(&partial, archive).context("cannot name the archive")
}

/// With the mode, and for a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    if from.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(from)
            .with_context(failed)?
            .collect::<Result<_, _>>()
            .with_context(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    fs::copy(from, to).with_context(failed)?;
    Ok(())
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", program.display(), output.status, said.trim());
    }
    Ok(output.stdout)
}

fn file_name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder of this test's own, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let name = format!("weir-dist-test-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_archive_holds_it_all_and_is_the_same_each_time() {
        let folder = Folder::new();
        let binary = folder.0.join("weir");
        // What it writes is weir's own tests' concern; here, that it gets where it belongs.
        let script = "#!/bin/sh\ncase $1 in\n\
            man) mkdir -p \"$2\" && echo page > \"$2/weir.1\" ;;\n*) echo \"$@\" ;;\nesac\n";
        fs::write(&binary, script).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let archive = pack(&binary, &folder.0.join("dist")).unwrap();
        let first = fs::read(&archive).unwrap();
        let listed = output(Command::new("tar").arg("-tzf").arg(&archive)).unwrap();
        let listed = String::from_utf8(listed).unwrap();
        for path in [
            "bin/weir",
            "man/man1/weir.1",
            "completions/weir",
            "completions/_weir",
            "completions/weir.fish",
            "LICENSE-MIT",
            "LICENSE-APACHE",
            "README.md",
            "docs/weir.example.toml",
        ] {
            assert!(listed.lines().any(|line| line.ends_with(&format!("/{path}"))), "{listed}");
        }
        let dist = folder.0.join("dist");
        let sum = format!("{}.sha256", file_name(&archive).to_str().unwrap());
        output(Command::new("sha256sum").args(["--check", &sum]).current_dir(&dist)).unwrap();
        assert_eq!(fs::read(pack(&binary, &dist).unwrap()).unwrap(), first);
    }
}
