use super::*;
use crate::host::netns::NetnsId;
use crate::host::state::{Before, Change};

#[test]
fn an_old_kernel_is_told_what_it_lacks() {
    let judge = |minor| {
        let mut report = Report::default();
        judge_kernel("x", KernelVersion::new(6, minor, 0), &mut report);
        report.findings[0].clone()
    };
    assert_eq!((judge(18).level, judge(18).text.as_str()), (Level::Ok, "Linux x"));
    assert_eq!(judge(16).level, Level::Note);
    assert_eq!(judge(1).level, Level::Fail);
    assert!(judge(1).text.contains("no tcx") && judge(1).text.contains("6.17"));
}

#[test]
fn an_interpreter_is_mended() {
    let mut report = Report::default();
    jit(Some("0\n"), &mut report);
    jit(Some("1\n"), &mut report);
    jit(None, &mut report);
    let levels: Vec<_> = report.findings.iter().map(|finding| finding.level).collect();
    assert_eq!(levels, [Level::Warn, Level::Ok, Level::Note]);
    assert_eq!(report.findings[0].fix.as_deref(), Some("sysctl -w net.core.bpf_jit_enable=1"));
}

#[test]
fn tells_a_living_weir_from_a_dead_one() {
    let dir = tempfile::tempdir().unwrap();
    let control = dir.path().join("weir.sock");
    let look = || {
        let mut report = Report::default();
        let alive = leftovers(&control, &mut report);
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
