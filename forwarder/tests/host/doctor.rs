use std::path::PathBuf;

use weir::cli::args::DoctorArgs;
use weir::cli::doctor::{Finding, Level, Report, examine};
use weir::host::netns::NetnsId;
use weir::host::state::{Before, Change, StateFile};
use weir_core::Mode;

use super::bed::{block_on, in_host, link};

fn look(interfaces: &[&str], bridge: Option<&str>, control: PathBuf) -> Report {
    look_with(None, interfaces, bridge, control)
}

fn look_with(
    config: Option<PathBuf>,
    interfaces: &[&str],
    bridge: Option<&str>,
    control: PathBuf,
) -> Report {
    let args = DoctorArgs {
        config,
        bridge: bridge.map(str::to_owned),
        interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
        json: false,
    };
    block_on(examine(&args, control)).unwrap()
}

fn find<'a>(report: &'a Report, subject: &str, check: &str) -> &'a Finding {
    let mut findings = report.findings.iter();
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
        bed.host("ip link set br0 up");
        let report = look(&[], Some("br0"), control.clone());
        assert!(!report.fails(), "{report:#?}");
        assert_eq!(find(&report, "host", "programs").level, Level::Ok);
        assert_eq!(find(&report, "v1", "bridge").level, Level::Ok);
        assert_eq!(find(&report, "host", "btf").level, Level::Ok);
        assert_eq!(find(&report, "host", "tcx").level, Level::Ok);
        assert_eq!(find(&report, "v1", "gate").level, Level::Ok);
        assert!(find(&report, "v1", "native").text.contains("is possible"));

        // What leaves its frames to the bridge is said, and what a killed weir left.
        bed.host("ip link set v1 type bridge_slave neigh_suppress on");
        bed.host("tc qdisc add dev v1 root handle 7765: pfifo");
        let mut state = StateFile::open(&control).unwrap();
        let v1 = link("v1");
        state
            .record(Change {
                netns: NetnsId::of_this_thread().unwrap(),
                ifindex: v1.ifindex,
                name: v1.name.clone(),
                port: v1.ifindex,
                before: Before::NoQdisc { tx_queue_len: 1000 },
            })
            .unwrap();
        let report = look(&["v1"], None, control.clone());
        assert_eq!(find(&report, "host", "settings").level, Level::Warn);
        let mut gate = report.findings.iter().filter(|finding| finding.check == "gate");
        let (suppress, qdisc) = (gate.next().unwrap(), gate.next().unwrap());
        assert_eq!(suppress.level, Level::Warn);
        assert_eq!(suppress.text, "left to the bridge: `v1` has neigh_suppress on");
        assert_eq!(
            suppress.fix.as_deref(),
            Some("ip link set dev v1 type bridge_slave neigh_suppress off")
        );
        assert!(qdisc.text.contains("pfifo"), "{qdisc:?}");
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
        // In the way of the program in native mode only.
        assert_eq!(find(&report, "v1", "program").level, Level::Note);
        assert!(find(&report, "v9", "port").text.contains("it could be: v1"));
        let file = dir.path().join("weir.toml");
        let ports = "[[port]]\nname = \"v1\"\nmode = \"native\"\nrole = \"uplink\"\n";
        std::fs::write(&file, ports).unwrap();
        let report = look_with(Some(file), &[], None, control);
        assert!(report.fails());
        let program = find(&report, "v1", "program");
        assert_eq!(program.level, Level::Fail);
        let id = link("v1").xdp.program().unwrap().0;
        assert!(program.text.contains(&format!("id {id}")), "{program:?}");
    });
}
