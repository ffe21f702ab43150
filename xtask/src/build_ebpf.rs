//! `cargo xtask build-ebpf`: compiles the eBPF programs into `xdp-ebpf/prebuilt/`, or with `--check`
//! proves that what is committed there is what the sources give.
//!
//! Invariant: an object depends on the sources, the nightly compiler and the linker, and on
//! nothing else: not on where the checkout, the target folder or cargo's home are.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::build::root;
use crate::command::{output, show};

const LINKER_VERSION: &str = "0.10.3";
const TARGET: &str = "bpfel-unknown-none";
/// The product's programs, and those that make and count test traffic.
const BINARIES: [&str; 2] = ["weir-steer", "weir-traffic"];
const RECORD: &str = "xdp-ebpf/prebuilt/SOURCES.sha256";
/// What the object is built from: files, and folders of Rust files.
const SOURCES: [&str; 5] = [
    "xdp-ebpf/Cargo.toml",
    "xdp-ebpf/Cargo.lock",
    "xdp-ebpf/src",
    "xdp-ebpf/abi/Cargo.toml",
    "xdp-ebpf/abi/src",
];

/// The exit code of a check that could not be made, for CI to tell from one that failed.
const CANNOT_CHECK: i32 = 3;

/// The object cannot be built on this machine, or not with the compiler it was built with: that
/// says nothing about whether it is right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CannotBuild(String);

/// Builds the object and records what it was built from; with `check` builds it elsewhere and
/// compares, byte for byte.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = root().canonicalize().context("the checkout")?;
    let tools = Tools::ensure();
    if !check {
        return rebuild(&root, &tools?);
    }
    match tools.and_then(|tools| compare(&root, &tools)) {
        Err(error) if error.is::<CannotBuild>() => {
            hash_check()?;
            eprintln!("build-ebpf: {error:#}");
            eprintln!("only the hash of the sources was checked, and it is right");
            std::process::exit(CANNOT_CHECK);
        }
        compared => compared,
    }
}

fn rebuild(root: &Path, tools: &Tools) -> Result<()> {
    let built = build(root, tools, &root.join("xdp-ebpf/target"), false)?;
    fs::create_dir_all(root.join("xdp-ebpf/prebuilt"))?;
    for binary in BINARIES {
        let object = root.join(object(binary));
        let length = fs::copy(built.join(binary), &object)
            .with_context(|| format!("writing {}", object.display()))?;
        println!("{}: {length} bytes, built with {}", object.display(), tools.versions());
    }
    fs::write(root.join(RECORD), record(root, &tools.versions())?).context("the record")
}

/// Below the root.
fn object(binary: &str) -> String {
    format!("xdp-ebpf/prebuilt/{binary}.o")
}

/// Whether the committed objects were built from the sources as they are. Needs no compiler.
pub(crate) fn hash_check() -> Result<()> {
    let root = root().canonicalize().context("the checkout")?;
    let (versions, committed) = recorded(&root)?;
    let now = record(&root, &versions)?;
    if now == committed {
        return Ok(());
    }
    let [now, committed] = [&now, &committed].map(|text| text.lines().collect::<BTreeSet<_>>());
    let differing = now.symmetric_difference(&committed);
    let names: BTreeSet<&str> =
        differing.filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
    bail!(
        "what is in xdp-ebpf/prebuilt was not built from these sources; changed since: {}. \
         Rebuild it with `cargo xtask build-ebpf` and commit all files there",
        Vec::from_iter(names).join(", ")
    )
}

fn compare(root: &Path, tools: &Tools) -> Result<()> {
    let (built_with, _) = recorded(root)?;
    let target = std::env::temp_dir().join(format!("weir-ebpf-check-{}", std::process::id()));
    let same = |built: &Path, binary| -> Result<bool> {
        Ok(fs::read(built.join(binary))? == fs::read(root.join(object(binary)))?)
    };
    let outcome = build(root, tools, &target, true).and_then(|built| {
        BINARIES.into_iter().try_fold(true, |all, binary| Ok(all && same(&built, binary)?))
    });
    let _ = fs::remove_dir_all(&target);
    let versions = tools.versions();
    if outcome? {
        println!("xdp-ebpf/prebuilt is what the sources give, byte for byte ({versions})");
        return hash_check();
    }
    if versions != built_with {
        bail!(CannotBuild(format!(
            "cannot tell whether xdp-ebpf/prebuilt matches: it was built with {built_with}, here is {versions}"
        )));
    }
    hash_check()?;
    bail!(
        "xdp-ebpf/prebuilt is not what the sources give, though compiler and linker are those it was built with: rebuild it with `cargo xtask build-ebpf`"
    )
}

/// Compiles; gives the folder of the objects.
fn build(root: &Path, tools: &Tools, target_dir: &Path, locked: bool) -> Result<PathBuf> {
    // Longest first is not needed: later prefixes win, and none of these lies in another's way.
    let flags = [
        remap(root, "/weir"),
        remap(&tools.cargo_home, "/cargo"),
        remap(&tools.sysroot, "/rust"),
        remap(&tools.rust_src, "/rust-src"),
    ];
    let mut cargo = nightly(&["cargo", "build", "--release", "--quiet"]);
    cargo
        .args(["-Z", "build-std=core", "--target", TARGET, "--bins"])
        .args(locked.then_some("--locked"))
        .current_dir(root.join("xdp-ebpf"))
        .env("CARGO_TARGET_DIR", target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    show(&mut cargo).context("compiling the eBPF programs")?;
    Ok(target_dir.join(TARGET).join("release"))
}

fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

/// The name of the nightly toolchain, if that is not `nightly`.
fn toolchain() -> String {
    std::env::var("WEIR_EBPF_TOOLCHAIN").unwrap_or_else(|_| "nightly".to_owned())
}

struct Tools {
    rustc: String,
    sysroot: PathBuf,
    rust_src: PathBuf,
    cargo_home: PathBuf,
}

impl Tools {
    /// Finds what is needed and installs what is missing.
    fn ensure() -> Result<Self> {
        let Ok(rustc) = said(&mut nightly(&["rustc", "--version"])) else {
            bail!(CannotBuild(
                "no nightly toolchain: `rustup toolchain install nightly --profile minimal -c rust-src`; \
                 it is needed only to rebuild the XDP program, whose object is committed"
                    .into(),
            ));
        };
        let sysroot = PathBuf::from(said(&mut nightly(&["rustc", "--print", "sysroot"]))?);
        let rust_src = ensure_rust_src(&sysroot)?;
        ensure_linker()?;
        let cargo_home = match std::env::var_os("CARGO_HOME") {
            Some(home) => PathBuf::from(home),
            None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        };
        Ok(Self { rustc, sysroot, rust_src, cargo_home })
    }

    fn versions(&self) -> String {
        format!("{}, bpf-linker {LINKER_VERSION}", self.rustc)
    }
}

/// The sources of `core`, which is compiled along; gives where they really are.
fn ensure_rust_src(sysroot: &Path) -> Result<PathBuf> {
    let library = sysroot.join("lib/rustlib/src/rust/library");
    let present = || library.join("core/src/lib.rs").is_file();
    if !present() {
        println!("installing rust-src for the nightly toolchain");
        let added = rustup(&["component", "add", "rust-src", "--toolchain", &toolchain()]).status();
        if !matches!(added, Ok(status) if status.success()) || !present() {
            unpack_rust_src(&library)?;
        }
    }
    ensure!(present(), "{} is still not there", library.display());
    Ok(library.canonicalize()?)
}

fn unpack_rust_src(library: &Path) -> Result<()> {
    let Some(tarball) = std::env::var_os("WEIR_RUST_SRC").map(PathBuf::from) else {
        bail!(CannotBuild(
            "no rust-src for the nightly toolchain, and rustup could not fetch it: \
             `rustup component add rust-src --toolchain nightly`, or name a tarball of it in WEIR_RUST_SRC"
                .into(),
        ));
    };
    println!("unpacking {}", tarball.display());
    // Beside the place where rustup would put it, and linked there, so that rustup's own
    // installation, should it work one day, finds nothing but a link in its way.
    let unpacked = library.with_file_name("weir-rust-src");
    fs::create_dir_all(&unpacked)?;
    let mut tar = Command::new("tar");
    tar.arg("xf").arg(&tarball).arg("-C").arg(&unpacked);
    show(&mut tar).context("unpacking rust-src")?;
    let found = ["library", "rust-src/lib/rustlib/src/rust/library"]
        .iter()
        .map(|inner| unpacked.join(inner))
        .find(|path| path.join("core").is_dir())
        .with_context(|| format!("no folder `library` in {}", tarball.display()))?;
    if library.is_symlink() {
        fs::remove_file(library)?; // to nowhere, or it would have been used
    }
    std::os::unix::fs::symlink(&found, library)
        .with_context(|| format!("linking {}", library.display()))
}

/// Versions after this want a system LLVM; built with the nightly this one uses rustc's own.
fn ensure_linker() -> Result<()> {
    let installed = said(Command::new("bpf-linker").arg("--version"));
    if matches!(&installed, Ok(version) if version.ends_with(LINKER_VERSION)) {
        return Ok(());
    }
    println!("installing bpf-linker {LINKER_VERSION}");
    let mut install = nightly(&["cargo", "install", "bpf-linker", "--locked"]);
    install.args(["--version", LINKER_VERSION]);
    show(&mut install).map_err(|error| {
        CannotBuild(format!(
            "no bpf-linker {LINKER_VERSION} ({error}): `cargo +nightly install bpf-linker --version {LINKER_VERSION} --locked`"
        ))
    })?;
    Ok(())
}

/// The record of a build: compiler and linker, then a hash per source and for the object, as
/// `sha256sum` prints them.
fn record(root: &Path, versions: &str) -> Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(root, Path::new(source), &mut files)?;
    }
    files.sort();
    files.extend(BINARIES.map(|binary| PathBuf::from(object(binary))));
    let hashes = said(Command::new("sha256sum").arg("--").args(&files).current_dir(root))
        .context("hashing the sources with sha256sum (coreutils)")?;
    Ok(format!("# {versions}\n{hashes}\n"))
}

fn collect(root: &Path, path: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let full = root.join(path);
    if full.is_dir() {
        for entry in fs::read_dir(&full)? {
            collect(root, &path.join(entry?.file_name()), into)?;
        }
    } else if path.extension().is_some_and(|e| e == "rs" || e == "toml" || e == "lock") {
        ensure!(full.is_file(), "{} is missing", full.display());
        into.push(path.to_path_buf());
    }
    Ok(())
}

/// Versions in the committed record, and the record.
fn recorded(root: &Path) -> Result<(String, String)> {
    let path = root.join(RECORD);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{}: run `cargo xtask build-ebpf` first", path.display()))?;
    let versions = text.lines().next().and_then(|line| line.strip_prefix("# "));
    Ok((versions.unwrap_or("an unknown compiler").to_owned(), text))
}

/// A command of the nightly toolchain.
fn nightly(args: &[&str]) -> Command {
    let mut command = rustup(&["run", &toolchain()]);
    command.args(args);
    command
}

/// A command of rustup, without what the cargo that runs this has set for itself.
fn rustup(args: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(args);
    let inherited = |name: &OsString| {
        let name = name.to_string_lossy();
        ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "RUSTC", "RUSTDOC", "CARGO", "RUSTC_WRAPPER"]
            .contains(&&*name)
            || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| inherited(name)) {
        command.env_remove(name);
    }
    command
}

/// What a program printed, without the last line's end.
fn said(command: &mut Command) -> Result<String> {
    Ok(output(command)?.trim_end().to_owned())
}
