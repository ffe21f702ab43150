use weir::host::bridge::make::{self, Made, MakeError};
use weir::host::links::{GuardError, Link};

use super::super::bed::{in_host, link, snapshot, wait_for};
use super::read_now;

fn make(ports: &[&str]) -> Result<Made, MakeError> {
    let ports: Vec<String> = ports.iter().map(|port| (*port).to_owned()).collect();
    make::make(&ports, false)
}

fn members() -> Vec<String> {
    let all = snapshot();
    let bridge = all.by_name("weir0").unwrap().ifindex;
    all.ports_of(bridge).map(|link: &Link| link.name.clone()).collect()
}

#[test]
fn a_bridge_is_made_and_found_again() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.add_guest("vm2", "v2");
        bed.host("ip link set v2 mtu 1400");
        let first = make(&["v1", "v2"]).unwrap();
        assert!(!first.adopted);
        assert_eq!(members(), ["v1", "v2"]);
        let own = link("weir0");
        assert_eq!(
            (own.ifindex, own.mac, own.mtu, own.up),
            (first.ifindex, link("v1").mac, 1400, true)
        );
        let state = read_now(first.ifindex);
        let settings = state.settings().unwrap();
        assert_eq!(settings.ageing.as_secs(), 300);
        assert!(bed.host("ip addr show dev weir0").lines().all(|line| !line.contains("inet")));

        // The guests reach each other by the kernel alone.
        bed.inside("vm1", "ip addr add 10.0.0.1/24 dev eth0");
        bed.inside("vm2", "ip addr add 10.0.0.2/24 dev eth0");
        bed.inside("vm1", "ping -q -c 1 -W 5 10.0.0.2");

        let again = make(&["v1", "v2"]).unwrap();
        assert_eq!(again, Made { adopted: true, ..first });
        // One more port, and the first one gone: neither MAC nor MTU follow.
        bed.add_guest("vm0", "v0");
        bed.host("ip link set v0 mtu 1300");
        bed.host("ip link del v1");
        let more = make(&["v0", "v2"]).unwrap();
        assert_eq!(more.ifindex, first.ifindex);
        assert!(members().contains(&"v0".to_owned()));
        bed.host("ip link set v2 down");
        bed.host("ip link set v2 up");
        assert_eq!((link("weir0").mac, link("weir0").mtu), (own.mac, own.mtu));
        make(&["v0"]).unwrap();
        assert_eq!(members().len(), 2);
        assert!(bed.host("ip addr show dev weir0").lines().all(|line| !line.contains("inet")));
    });
}

#[test]
fn addresses_that_the_operator_gave_it_stay() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        make(&["v1"]).unwrap();
        bed.host("ip addr add 192.0.2.1/24 dev weir0");
        bed.host("ip addr add 2001:db8::1/64 dev weir0 nodad");
        assert!(make(&["v1"]).unwrap().adopted);
        assert_eq!(link("weir0").addresses.len(), 2);
    });
}

#[test]
fn a_failure_leaves_the_host_as_it_was() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.host("ip link add mv type veth peer name mw");
        // The kernel lets no interface with a user of its own receive hook into a bridge.
        if !super::can(bed, "ip link add link mw name mac0 type macvlan mode bridge") {
            return super::skipped("this kernel has no macvlan devices");
        }
        let before = snapshot();
        let error = make(&["v1", "mw"]).unwrap_err();
        assert!(matches!(error, MakeError::Kernel { .. }), "{error}");
        assert!(error.to_string().contains("make `mw` a member of `weir0`"), "{error}");
        wait_for("v1 to be free", || link("v1").master.is_none());
        let after = snapshot();
        assert!(after.by_name("weir0").is_none());
        assert_eq!(after.iter().count(), before.iter().count());
        // And of one that is there, only what was added is taken back.
        let made = make(&["v1"]).unwrap();
        bed.add_guest("vm2", "v2");
        assert!(make(&["v1", "v2", "mw"]).is_err());
        assert_eq!((link("weir0").ifindex, members()), (made.ifindex, vec!["v1".to_owned()]));
    });
}

#[test]
fn a_bridge_of_somebody_else_is_not_touched() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.host("ip link add weir0 type bridge");
        let before = link("weir0");
        let error = make(&["v1"]).unwrap_err().to_string();
        assert!(error.contains("--bridge weir0"), "{error}");
        assert_eq!((link("weir0"), link("v1").master), (before, None));
        bed.host("ip link del weir0");
        bed.host("ip link add weir0 type veth peer name x");
        let error = make(&["v1"]).unwrap_err().to_string();
        assert!(error.contains("`weir0` is veth, not a bridge"), "{error}");
        bed.host("ip link del weir0");
        bed.host("ip addr add 192.0.2.1/24 dev v1");
        assert!(matches!(make(&["v1"]), Err(MakeError::Refused(GuardError::HostAddress { .. }))));
        assert!(snapshot().by_name("weir0").is_none());
    });
}
