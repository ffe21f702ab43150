use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn tags(ifindex: u32, on: bool) -> Change {
    Change {
        netns: NetnsId { device: 4, inode: 40 },
        ifindex,
        name: format!("v{ifindex}"),
        port: ifindex,
        before: Before::Feature { feature: "rx-vlan-hw-parse".into(), on },
    }
}

#[test]
fn survives_and_keeps_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let control = dir.path().join("weir.sock");
    let mut state = StateFile::open(&control).unwrap();
    assert!(!state.path.exists());
    state.record(tags(1, false)).unwrap();
    state.record(Change { before: Before::NoQdisc { tx_queue_len: 0 }, ..tags(1, false) }).unwrap();
    let mode = fs::metadata(&state.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(state);

    let mut state = StateFile::open(&control).unwrap();
    // The second run finds the feature switched on by the first one.
    state.record(tags(1, true)).unwrap();
    assert_eq!(state.changes()[0], tags(1, false));
    assert_eq!(state.changes().len(), 2);
    state.rename(NetnsId { device: 4, inode: 40 }, 1, "lan1").unwrap();
    drop(state);

    let mut state = StateFile::open(&control).unwrap();
    assert_eq!(state.changes()[1].name, "lan1");
    state.forget(|_| true).unwrap();
    assert!(!state.path.exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_says_nothing_of_this_boot_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let control = dir.path().join("weir.sock");
    let document = Document { version: 1, boot_id: "x".into(), changes: vec![tags(1, true)] };
    fs::write(StateFile::path_for(&control), serde_json::to_vec(&document).unwrap()).unwrap();
    fs::write(dir.path().join("weir.sock.state.new"), "{").unwrap();
    let mut state = StateFile::open(&control).unwrap();
    assert_eq!(state.changes(), []);
    state.forget(|_| true).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn another_boot_or_version_is_not_this_one() {
    let text = |version, boot: &str| {
        let document = Document { version, boot_id: boot.into(), changes: vec![tags(1, true)] };
        serde_json::to_string(&document).unwrap()
    };
    assert_eq!(parse(&text(1, "a"), "a").unwrap(), [tags(1, true)]);
    assert_eq!(parse(&text(1, "a"), "b").unwrap(), []);
    assert!(parse(&text(2, "a"), "a").unwrap_err().contains("version 2"));
    assert!(parse("{", "a").is_err());
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let mut state = StateFile::open(Path::new("/nonexistent/weir.sock")).unwrap();
    let error = state.record(tags(1, true)).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/weir.sock.state"), "{error}");
    assert!(state.changes().is_empty());
}
