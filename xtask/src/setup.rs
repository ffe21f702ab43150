//! System packages: what the build and the tests need beyond the Rust toolchain.
//!
//! Invariant: what counts is whether the thing itself is there (program, header, library), not
//! what a package manager believes; nothing is installed that is there already.

use crate::command::run as run_program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the caller is about to do; it takes all that those before it take.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Purpose {
    Build,
    Test,
    /// The tests of others, in a guest with another kernel.
    Judge,
}

struct Need {
    name: &'static str,
    /// Given the name.
    is_there: fn(&str) -> bool,
    purpose: Purpose,
    why: &'static str,
    /// As apt, dnf, pacman and zypper call it.
    packages: [&'static str; 4],
}

use Purpose::{Build, Judge, Test};

/// Found by building on a bare Debian and looking at what stopped it; each names what needs it.
#[rustfmt::skip]
const NEEDS: &[Need] = &[
    need("cc", program, Build, "links Rust, compiles libbpf and libxdp", ["gcc", "gcc", "gcc", "gcc"]),
    need("objcopy", program, Build, "embeds libxdp's objects", ["binutils", "binutils", "binutils", "binutils"]),
    need("stdio.h", header, Build, "libbpf includes it", ["libc6-dev", "glibc-devel", "glibc", "glibc-devel"]),
    need("linux/if_xdp.h", header, Build, "libxdp includes it", ["linux-libc-dev", "kernel-headers", "linux-api-headers", "linux-glibc-devel"]),
    need("make", program, Build, "libbpf's own build", ["make", "make", "make", "make"]),
    need("pkg-config", program, Build, "libbpf's own build", ["pkg-config", "pkgconf-pkg-config", "pkgconf", "pkg-config"]),
    need("m4", program, Build, "libxdp's dispatcher is an m4 template", ["m4", "m4", "m4", "m4"]),
    need("clang", program, Build, "compiles libxdp's BPF objects", ["clang", "clang", "clang", "clang"]),
    need("libclang.so", libclang, Build, "bindgen reads headers with it", ["libclang1", "clang-libs", "clang", "libclang13"]),
    need("libelf.h", |name| header(name) && library("libelf.so"), Build, "libbpf links to it", ["libelf-dev", "elfutils-libelf-devel", "libelf", "libelf-devel"]),
    need("zlib.h", |name| header(name) && library("libz.so"), Build, "libbpf links to it", ["zlib1g-dev", "zlib-devel", "zlib", "zlib-devel"]),
    need("ip", program, Test, "the test bed's namespaces and veths", ["iproute2", "iproute", "iproute2", "iproute2"]),
    need("ethtool", program, Test, "the test bed's offload settings", ["ethtool", "ethtool", "ethtool", "ethtool"]),
    need("ping", program, Test, "the test bed's traffic", ["iputils-ping", "iputils", "iputils", "iputils"]),
    need("tmux", program, Test, "a terminal to show full-screen commands in", ["tmux", "tmux", "tmux", "tmux"]),
    need("tshark", program, Test, "reads captures back", ["tshark", "wireshark-cli", "wireshark-cli", "wireshark"]),
    need("iperf3", program, Test, "the test bed's TCP traffic", ["iperf3", "iperf3", "iperf3", "iperf"]),
    need("tc", program, Test, "peers' queues, shaped by the kernel", ["iproute2", "iproute-tc", "iproute2", "iproute2"]),
    need("stress-ng", program, Test, "the experiments' CPU burner", ["stress-ng", "stress-ng", "stress-ng", "stress-ng"]),
    need("fio", program, Test, "the experiments' disk load", ["fio", "fio", "fio", "fio"]),
    need("python3", program, Test, "other implementations of weir's formats", ["python3", "python3", "python", "python3"]),
    need("ensurepip of Python", python_venv, Test, "a folder of their own for Python packages", ["python3-venv", "python3", "python", "python3"]),
    need("qemu-system-x86_64", program, Judge, "boots the guest", ["qemu-system-x86", "qemu-system-x86", "qemu-system-x86", "qemu-x86"]),
    need("busybox, linked statically", static_busybox, Judge, "the guest's first program", ["busybox-static", "busybox", "busybox", "busybox-static"]),
    need("cpio", program, Judge, "packs the guest's first file system", ["cpio", "cpio", "cpio", "cpio"]),
    need("xz", program, Judge, "unpacks the kernel's modules", ["xz-utils", "xz", "xz", "xz"]),
    need("modprobe", program, Judge, "finds the guest's first modules", ["kmod", "kmod", "kmod", "kmod"]),
    need("setpriv", program, Judge, "ends the guest with xtask", ["util-linux", "util-linux", "util-linux", "util-linux"]),
    need("jq", program, Judge, "the kernel's tests read tools' answers with it", ["jq", "jq", "jq", "jq"]),
    need("mausezahn", program, Judge, "the kernel's tests send with it", ["netsniff-ng", "netsniff-ng", "netsniff-ng", "netsniff-ng"]),
    need("tcpdump", program, Judge, "the kernel's tests look with it", ["tcpdump", "tcpdump", "tcpdump", "tcpdump"]),
    need("arping", program, Judge, "the kernel's tests send with it", ["iputils-arping", "iputils", "iputils", "iputils"]),
    need("dc", program, Judge, "the kernel's tests compute checksums with it", ["dc", "bc", "bc", "bc"]),
];

const fn need(
    name: &'static str,
    is_there: fn(&str) -> bool,
    purpose: Purpose,
    why: &'static str,
    packages: [&'static str; 4],
) -> Need {
    Need { name, is_there, purpose, why, packages }
}

impl Need {
    fn apt(&self) -> &'static str {
        self.packages[0]
    }

    fn is_met(&self) -> bool {
        (self.is_there)(self.name)
    }
}

/// A program in PATH or in the system folders.
fn program(name: &str) -> bool {
    find_program(name).is_some()
}

pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Service managers and plain users often have no sbin in PATH, though `ip` lives there.
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(system).map(|folder| folder.join(name));
    places.find(|place| place.is_file())
}

/// `x86_64-linux-gnu` and the like, where Debian keeps what differs between architectures.
fn triple() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

/// `venv` alone says little: on Debian it is there without `ensurepip`, and then makes nothing.
fn python_venv(_: &str) -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import venv, ensurepip; ensurepip.version()"]);
    let status = python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A busybox that runs where there is no library: a static program names no interpreter, by which the
/// kernel would start it.
fn static_busybox(_: &str) -> bool {
    let found = find_program("busybox").map(fs::read);
    found.and_then(Result::ok).is_some_and(|bytes| {
        let head = bytes.get(..4096).unwrap_or(&bytes);
        !head.windows(7).any(|window| window == b"/ld-lin")
    })
}

/// A header, as `#include` names it.
fn header(name: &str) -> bool {
    let folders = ["/usr/include", "/usr/local/include"].map(PathBuf::from);
    let multiarch = Path::new("/usr/include").join(triple());
    folders.into_iter().chain([multiarch]).any(|folder| folder.join(name).is_file())
}

fn library_folders() -> Vec<PathBuf> {
    let multiarch = triple();
    ["/usr/lib64", "/usr/lib", "/lib64", "/lib", "/usr/local/lib"]
        .iter()
        .flat_map(|folder| [PathBuf::from(folder), Path::new(folder).join(&multiarch)])
        .collect()
}

/// As the linker names it.
fn library(so: &str) -> bool {
    library_folders().iter().any(|folder| folder.join(so).exists())
}

/// libclang, which bindgen opens at run time, under any version.
fn libclang(_: &str) -> bool {
    let mut folders = library_folders();
    folders.extend(std::env::var_os("LIBCLANG_PATH").map(PathBuf::from));
    // Debian's and Fedora's versioned trees: /usr/lib/llvm-14/lib, /usr/lib64/llvm19/lib64.
    for parent in ["/usr/lib", "/usr/lib64"] {
        let Ok(entries) = fs::read_dir(parent) else { continue };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with("llvm") {
                folders.extend([entry.path().join("lib"), entry.path().join("lib64")]);
            }
        }
    }
    folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // `libclang-cpp` is another library.
        (name.starts_with("libclang.so") || name.starts_with("libclang-"))
            && name.contains(".so")
            && !name.starts_with("libclang-cpp")
    })
}

pub(crate) fn is_root() -> bool {
    // The effective user owns it.
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn missing(purpose: Purpose) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| need.purpose <= purpose && !need.is_met()).collect()
}

/// Installs what `purpose` lacks; says nothing when nothing is missing.
pub(crate) fn ensure(purpose: Purpose) -> Result<()> {
    let missing = missing(purpose);
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

pub(crate) fn run(check: bool) -> Result<()> {
    let missing = missing(Purpose::Test);
    if missing.is_empty() {
        println!("setup: nothing is missing");
        return Ok(());
    }
    if check {
        for need in &missing {
            println!("missing: {} ({}): package {}", need.name, need.why, need.apt());
        }
        std::process::exit(1);
    }
    install(&missing)
}

/// What the package manager at this place of [`Need::packages`] calls them.
fn packages(missing: &[&Need], manager: usize) -> Vec<&'static str> {
    let mut names: Vec<_> = missing.iter().map(|need| need.packages[manager]).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn install(missing: &[&Need]) -> Result<()> {
    for need in missing {
        println!("setup: missing {} ({})", need.name, need.why);
    }
    if find_program("apt-get").is_none() {
        return refuse(missing);
    }
    let names = packages(missing, 0);
    let prefix: &[&str] = if is_root() {
        &[]
    } else if find_program("sudo").is_some() {
        &["sudo"]
    } else {
        bail!(
            "not root, and there is no sudo: run as root\n  apt-get update && apt-get install -y {}",
            names.join(" ")
        )
    };
    let apt = |words: &[&str]| {
        // Through `env`: sudo would drop a variable set on the command itself.
        let apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"];
        let all = [prefix, &apt[..], words].concat();
        let (program, args) = all.split_first().context("an empty command")?;
        run_program(Command::new(program).args(args))
    };
    apt(&["update"])?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(names);
    apt(&install)?;
    let still: Vec<_> = missing.iter().filter(|need| !need.is_met()).collect();
    for need in missing.iter().filter(|need| need.is_met()) {
        println!("setup: installed {} for {} ({})", need.apt(), need.name, need.why);
    }
    if let Some(need) = still.first() {
        bail!("apt installed {} but {} is still not to be found", need.apt(), need.name);
    }
    Ok(())
}

fn refuse(missing: &[&Need]) -> Result<()> {
    let others =
        [(1, "dnf", "dnf install"), (2, "pacman", "pacman -S"), (3, "zypper", "zypper install")];
    match others.iter().find(|(_, program, _)| find_program(program).is_some()) {
        Some((manager, _, install)) => bail!(
            "only apt is driven from here; install these and try again:\n  {install} {}",
            packages(missing, *manager).join(" ")
        ),
        None => bail!(
            "no package manager known here; install what Debian calls {}",
            packages(missing, 0).join(" ")
        ),
    }
}
