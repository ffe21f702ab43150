use super::*;
use crate::host::netns::NetnsId;
use crate::host::state::{Before, Change};

#[test]
fn tells_a_living_weir_from_a_dead_one() {
    let dir = tempfile::tempdir().unwrap();
    let control = dir.path().join("weir.sock");
    let look = || {
        let mut report = Report::default();
        let alive = examine(&control, &mut report);
        let levels: Vec<_> = report.findings.iter().map(|finding| finding.level).collect();
        (alive, levels)
    };
    assert_eq!(look(), (false, vec![Level::Ok]));
    let listener = std::os::unix::net::UnixListener::bind(&control).unwrap();
    let mut state = StateFile::open(&control).unwrap();
    let change = Change {
        netns: NetnsId { device: 1, inode: 2 },
        ifindex: 3,
        name: "v1".into(),
        port: 3,
        before: Before::NoQdisc { tx_queue_len: 1000 },
    };
    state.record(change).unwrap();
    assert_eq!(look(), (true, vec![Level::Ok, Level::Ok]));
    drop(listener);
    assert_eq!(look(), (false, vec![Level::Note, Level::Warn]));
}
