//! The guest's kernel, as Debian packs it, and an initial file system that mounts the machine's own.
//!
//! Invariant: a folder that is there is complete; it is made under another name and moved.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{output, run};
use crate::setup::find_program;

const INIT: &str = include_str!("init.sh");
const MODPROBE: &str = include_str!("modprobe.sh");
/// What has to be there before the modules' folder can be mounted.
const EARLY: [&str; 4] = ["virtio_pci", "9p", "9pnet_virtio", "overlay"];

#[derive(Debug)]
pub(super) struct Image {
    pub(super) version: String,
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
    pub(super) modules: PathBuf,
}

pub(super) fn ensure(cache: &Path, series: &str) -> Result<Image> {
    let folder = cache.join(format!("linux-{series}"));
    if !folder.exists() {
        let new = fresh(&folder)?;
        println!("judge: fetching Linux {series}");
        let package = newest(series)?;
        unpack(&[], &package, &new)?;
        done(&new, &folder)?;
    }
    let version = only_entry(&folder.join("lib/modules"))?;
    let image = Image {
        kernel: folder.join(format!("boot/vmlinuz-{version}")),
        initrd: cache.join("initrd.gz"),
        modules: folder.join("lib/modules").join(&version),
        version,
    };
    // Small, and of this program's sources: made again each time.
    make_initrd(&folder, &image, &cache.join("initrd"))?;
    Ok(image)
}

/// The newest plain kernel of a series that Debian serves.
fn newest(series: &str) -> Result<String> {
    let pattern = format!("^linux-image-{}.*-amd64-unsigned$", series.replace('.', "\\."));
    let found = output(Command::new("apt-cache").args(["search", "--names-only", &pattern]))?;
    let names = found.lines().filter_map(|line| line.split_whitespace().next());
    let plain = names.filter(|name| !name.contains("cloud") && !name.contains("-rt-"));
    let newest = plain.max_by_key(|name| numbers(name)).map(str::to_owned);
    newest.with_context(|| {
        format!("Debian's packages have no linux-image-{series}…-amd64-unsigned; is `apt-get update` due?")
    })
}

/// The numbers of a name: 6.12.9 is older than 6.12.10.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

fn make_initrd(folder: &Path, image: &Image, tree: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(tree);
    for part in ["bin", "sbin", "modules", "proc", "sys", "dev", "host", "layer", "guest"] {
        fs::create_dir_all(tree.join(part)).context("cannot make the initial file system")?;
    }
    let busybox = find_program("busybox").context("busybox is missing")?;
    fs::copy(busybox, tree.join("bin/busybox")).context("cannot copy busybox")?;
    for (name, text) in [("init", INIT), ("sbin/modprobe", MODPROBE)] {
        let path = tree.join(name);
        fs::write(&path, text).context("cannot write the first program")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).context("cannot mark it")?;
    }

    run(Command::new("depmod").arg("-b").arg(folder).arg(&image.version))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for module in EARLY {
        let mut modprobe = Command::new("modprobe");
        modprobe.arg("-d").arg(folder).args(["-S", &image.version, "--show-depends", module]);
        let said = output(&mut modprobe)?;
        for line in said.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let path = PathBuf::from(line.trim());
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    for (at, path) in files.iter().enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let to = tree.join("modules").join(format!("{at:02}-{name}"));
        fs::copy(path, &to).with_context(|| format!("cannot copy {}", path.display()))?;
        if name.ends_with(".xz") {
            run(Command::new("xz").args(["--decompress", "--force"]).arg(&to))?;
        }
    }
    let pack = "cd \"$1\" && find . | cpio --quiet -o -H newc | gzip -1 > \"$2\"";
    run(Command::new("sh").args(["-c", pack, "sh"]).arg(tree).arg(&image.initrd))
}

/// An empty folder beside `folder`, to be moved there when it is complete.
pub(super) fn fresh(folder: &Path) -> Result<PathBuf> {
    let new = folder.with_extension("new");
    let _ = fs::remove_dir_all(&new);
    fs::create_dir_all(&new).with_context(|| format!("cannot make {}", new.display()))?;
    Ok(new)
}

pub(super) fn done(new: &Path, folder: &Path) -> Result<()> {
    fs::rename(new, folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Fetches a package of Debian's and lays out its files in `folder`; nothing is installed.
pub(super) fn unpack(options: &[String], package: &str, folder: &Path) -> Result<()> {
    let at = folder.join("package");
    fs::create_dir_all(&at).with_context(|| format!("cannot make {}", at.display()))?;
    let mut apt = Command::new("apt-get");
    // As root, apt would fetch as another user, who may not write here.
    apt.current_dir(&at).args(options).args(["-q", "-o", "APT::Sandbox::User=root"]);
    run(apt.args(["download", package]))?;
    let archive = at.join(only_entry(&at)?);
    run(Command::new("dpkg").arg("-x").arg(&archive).arg(folder))?;
    fs::remove_dir_all(&at).with_context(|| format!("cannot remove {}", at.display()))
}

fn only_entry(folder: &Path) -> Result<String> {
    let read = || format!("cannot read {}", folder.display());
    let entry = fs::read_dir(folder).with_context(read)?.next().with_context(read)?;
    Ok(entry.with_context(read)?.file_name().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
