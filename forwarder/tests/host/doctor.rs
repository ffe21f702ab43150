use std::path::PathBuf;

use weir::cli::args::DoctorArgs;
use weir::cli::doctor::{Finding, Level, Report, examine};
use weir::control::attach::Mode;
use weir::control::settings::{HostSettings, Wanted};

use super::bed::{block_on, in_host, link};

fn look(interfaces: &[&str], bridge: Option<&str>, control: PathBuf) -> Report {
    let args = DoctorArgs {
        config: None,
        bridge: bridge.map(str::to_owned),
        interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
        json: false,
    };
    block_on(examine(&args, control)).unwrap()
}

fn find<'a>(report: &'a Report, subject: &str, check: &str) -> &'a Finding {
    let mut findings = report.findings().iter();
    let found = findings.find(|finding| finding.subject == subject && finding.check == check);
    found.unwrap_or_else(|| panic!("no {check} of {subject} in {report:#?}"))
}

#[test]
fn a_bridge_with_a_guest_is_healthy() {
    in_host(|bed| {
        let dir = tempfile::tempdir().unwrap();
        let control = dir.path().join("weir.sock");
        bed.host("ip link add br0 type bridge");
        bed.add_guest("vm1", "v1");
        bed.host("ip link set v1 master br0");
        let report = look(&[], Some("br0"), control.clone());
        assert!(!report.fails(), "{report:#?}");
        assert_eq!(find(&report, "host", "program").level, Level::Ok);
        assert_eq!(find(&report, "v1", "bridge").level, Level::Ok);
        assert_eq!(find(&report, "v1", "qdisc").level, Level::Note);
        let peer = find(&report, "v1", "peer");
        assert_eq!(peer.level, Level::Note);
        let command =
            format!("ip netns exec {} ethtool -K eth0 gro on txvlan off", bed.namespace("vm1"));
        assert_eq!(peer.fix.as_deref(), Some(command.as_str()));

        // What a killed weir leaves is found, with and without its record.
        let mut settings = HostSettings::open(&control).unwrap();
        let v1 = link("v1");
        settings.apply(&v1, Wanted::for_link(&v1), false).unwrap();
        let report = look(&["v1"], None, control.clone());
        assert_eq!(find(&report, "host", "settings").level, Level::Warn);
        assert!(find(&report, "v1", "qdisc").text.contains("killed"));
        assert_eq!(find(&report, "v1", "peer").level, Level::Ok);
        std::fs::remove_file(dir.path().join("weir.sock.state")).unwrap();
        let report = look(&["v1"], None, control);
        assert!(find(&report, "v1", "qdisc").text.contains("record is lost"));
        assert!(!report.fails());
    });
}

#[test]
fn what_is_in_the_way_fails() {
    in_host(|bed| {
        let dir = tempfile::tempdir().unwrap();
        let control = dir.path().join("weir.sock");
        bed.add_guest("vm1", "v1");
        let v1 = link("v1");
        let mut other = super::attach::load();
        let _attached = other.attach(v1.ifindex, "v1", Mode::Native).unwrap();
        let report = look(&["v1", "v9"], None, control.clone());
        assert!(report.fails());
        let program = find(&report, "v1", "program");
        assert_eq!(program.level, Level::Fail);
        let id = link("v1").xdp.program().unwrap().0;
        assert!(program.text.contains(&format!("id {id}")), "{program:?}");
        assert!(find(&report, "v9", "port").text.contains("it could be: v1"));
        // Nobody asked for it: it may be somebody's program on purpose.
        let report = look(&[], None, control);
        assert_eq!(find(&report, "v1", "program").level, Level::Warn);
        assert!(!report.fails());
    });
}
