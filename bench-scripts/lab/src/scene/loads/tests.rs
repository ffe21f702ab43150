use super::*;

#[test]
fn the_file_lies_on_the_builds_disk_and_goes() {
    let own = folder().unwrap();
    let path = own.path().to_owned();
    // No process has such a number.
    let stale = path.with_file_name(format!("{PREFIX}4999999-left"));
    std::fs::create_dir(&stale).unwrap();
    let other = folder().unwrap();
    assert!(path.is_dir() && other.path().is_dir() && !stale.exists());
    drop(own);
    assert!(!path.exists());
}
