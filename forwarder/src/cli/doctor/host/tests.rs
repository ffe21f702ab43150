use super::*;

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
