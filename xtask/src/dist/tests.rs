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
    let sum = format!("{}.sha256", archive.file_name().unwrap().to_str().unwrap());
    output(Command::new("sha256sum").args(["--check", &sum]).current_dir(&dist)).unwrap();
    assert_eq!(fs::read(pack(&binary, &dist).unwrap()).unwrap(), first);
}
