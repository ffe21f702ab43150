use super::*;
use crate::host::links::testing::{link, member, snapshot};

fn levels(report: &Report, check: &str) -> Vec<Level> {
    let found = report.findings.iter().filter(|finding| finding.check == check);
    found.map(|finding| finding.level).collect()
}

#[test]
fn a_smaller_mtu_beside_it_is_noted() {
    let mut big = member(link(5, "v1", LinkKind::Veth), 3);
    big.mtu = 9000;
    let small = member(link(6, "v2", LinkKind::Veth), 3);
    let snapshot = snapshot([link(3, "br0", LinkKind::Bridge), big.clone(), small.clone()]);
    let views = Views::new();
    let case = Case { snapshot: &snapshot, views: &views, alive: false, plan: None };
    let mut report = Report::default();
    bridge(&case, &big, &mut report);
    assert_eq!(levels(&report, "mtu"), [Level::Note]);
    assert!(report.findings[1].text.contains("above 1500 bytes"));
    let mut report = Report::default();
    bridge(&case, &small, &mut report);
    assert_eq!(levels(&report, "mtu"), []);
}

#[test]
fn cutting_superframes_is_noted() {
    let judge = |tso: bool| {
        let mut report = Report::default();
        let known = [(TSO[0].to_owned(), true), (TSO[1].to_owned(), tso)];
        superframes(&link(1, "x", LinkKind::Physical), &known, &mut report);
        levels(&report, "tso")
    };
    assert_eq!((judge(true), judge(false)), (vec![], vec![Level::Note]));
}
