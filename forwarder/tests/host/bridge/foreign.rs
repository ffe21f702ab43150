use std::collections::BTreeSet;
use std::fs;

use rtnetlink::sys::protocols::NETLINK_NETFILTER;
use rtnetlink::sys::{Socket, SocketAddr};
use weir::host::bridge::foreign::{Findings, find};
use weir::host::bridge::offload::WhyNot;
use weir_rig::programs::tag_beside;

use super::super::bed::{in_host, wait_for};
use super::{bridge, can, ifindex, read_now, skipped};

const IP_SWITCH: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";
const INET: u8 = 1;
const NETDEV: u8 = 5;
const BRIDGE: u8 = 7;

/// Everything about `br0` and its ports `v1` and `v2`.
fn found(own: &BTreeSet<u32>) -> Findings {
    let state = read_now(ifindex("br0"));
    let ports = ["v1", "v2"].map(|name| (ifindex(name), name.to_owned()));
    find(state.settings().unwrap(), &ports.into(), own)
}

fn all() -> Findings {
    found(&BTreeSet::new())
}

fn of(name: &str) -> Vec<WhyNot> {
    all().ports.remove(&ifindex(name)).unwrap_or_default()
}

/// The one finding about a port, which must not be about the other.
fn the_one(name: &str, other: &str) -> WhyNot {
    let findings = all();
    assert_eq!((findings.bridge.len(), of(other).len()), (0, 0), "{findings:?}");
    let [finding] = &of(name)[..] else { panic!("{findings:?}") };
    finding.clone()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (value.len() as u16 + 4).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(kind: u16, flags: u16, head: [u8; 4], attributes: &[Vec<u8>]) -> Vec<u8> {
    let payload: Vec<u8> = head.into_iter().chain(attributes.concat()).collect();
    let mut bytes = (payload.len() as u32 + 16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(flags | 1).to_ne_bytes());
    bytes.extend_from_slice(&1_u32.to_ne_bytes());
    bytes.extend_from_slice(&0_u32.to_ne_bytes());
    bytes.extend_from_slice(&payload);
    bytes
}

/// What `nft add chain FAMILY t c { type filter hook HOOK device DEVICE priority 0; }` does, and
/// `nft add rule FAMILY t c` as often as `rules` says; these tests cannot expect the tool. Whether
/// the kernel took it.
fn add_chain(family: u8, hook: u32, device: Option<&str>, rules: usize) -> bool {
    const CREATE: u16 = 0x400;
    const APPEND: u16 = 0x800;
    const ACK: u16 = 4;
    let tables = 10 << 8;
    let table = attribute(1, b"t\0");
    let mut at = [attribute(1, &hook.to_be_bytes()), attribute(2, &0_u32.to_be_bytes())].concat();
    if let Some(device) = device {
        at.extend(attribute(3, format!("{device}\0").as_bytes()));
    }
    let chain = [
        table.clone(),
        attribute(3, b"c\0"),
        attribute(4 | 0x8000, &at),
        attribute(7, b"filter\0"),
    ];
    let head = [family, 0, 0, 0];
    let mut batch = message(0x10, 0, [0, 0, 0, 10], &[]);
    batch.extend(message(tables, CREATE, head, std::slice::from_ref(&table)));
    batch.extend(message(tables | 3, CREATE | if rules == 0 { ACK } else { 0 }, head, &chain));
    for rule in 0..rules {
        let last = if rule + 1 == rules { ACK } else { 0 };
        let inside = [table.clone(), attribute(2, b"c\0")];
        batch.extend(message(tables | 6, CREATE | APPEND | last, head, &inside));
    }
    batch.extend(message(0x11, 0, [0, 0, 0, 10], &[]));
    let mut socket = Socket::new(NETLINK_NETFILTER).unwrap();
    socket.bind_auto().unwrap();
    socket.connect(&SocketAddr::new(0, 0)).unwrap();
    socket.send(&batch, 0).unwrap();
    let (answer, _) = socket.recv_from_full().unwrap();
    answer[4..6] == 2_u16.to_ne_bytes() && answer[16..20] == [0; 4]
}

#[test]
fn a_plain_host_has_nothing() {
    in_host(|bed| {
        bridge(bed, "", &["v1", "v2"]);
        assert_eq!(all(), Findings::default());
        // Nor has one with what does nothing.
        bed.host("tc qdisc add dev v1 clsact");
        add_chain(BRIDGE, 2, None, 0);
        assert_eq!(all(), Findings::default());
    });
}

#[test]
fn chains_of_the_bridge_family_are_found() {
    in_host(|bed| {
        bridge(bed, "", &["v1", "v2"]);
        if !add_chain(BRIDGE, 2, None, 2) {
            return skipped("this kernel has no nftables of the bridge family");
        }
        let findings = all();
        let [finding] = &findings.bridge[..] else { panic!("{findings:?}") };
        assert_eq!(finding.found, "the nftables chain `bridge t c` has 2 rules");
        assert_eq!((findings.of_port(ifindex("v2")).len(), findings.ports.len()), (1, 0));
    });
}

#[test]
fn chains_at_a_device_are_found_there() {
    in_host(|bed| {
        bridge(bed, "", &["v1", "v2"]);
        // Ingress is hook 0, egress 1.
        if !add_chain(NETDEV, 0, Some("v1"), 1) {
            return skipped("this kernel has no nftables at devices");
        }
        let finding = the_one("v1", "v2");
        assert_eq!(finding.found, "the nftables chain `netdev t c` has 1 rule on `v1`");
        bed.host("ip link del v1");
        bed.host("ip link add v1 type veth peer name w1");
        if add_chain(NETDEV, 1, Some("v1"), 1) {
            assert!(the_one("v1", "v2").found.contains("nftables"));
        }
    });
}

#[test]
fn the_ip_firewall_is_found_where_it_sees_bridged_frames() {
    in_host(|bed| {
        bridge(bed, "", &["v1", "v2"]);
        if fs::write(IP_SWITCH, "1").is_err() || !add_chain(INET, 2, None, 1) {
            return skipped("this kernel has no br_netfilter, or no nftables");
        }
        let findings = all();
        let found = &findings.bridge[0];
        assert!(found.found.contains("to iptables"));
        assert!(found.found.contains("`inet t c` has 1 rule"), "{}", found.found);
        assert_eq!(found.to_do, "sysctl -w net.bridge.bridge-nf-call-iptables=0");
        for switch in ["iptables", "ip6tables"] {
            fs::write(format!("/proc/sys/net/bridge/bridge-nf-call-{switch}"), "0").unwrap();
        }
        assert_eq!(all(), Findings::default());
        // The bridge can do it by itself.
        bed.host("ip link set br0 type bridge nf_call_iptables 1");
        assert_eq!(all().bridge.len(), 1);
    });
}

#[test]
fn traffic_control_is_found() {
    in_host(|bed| {
        bridge(bed, "", &["v1", "v2"]);
        for side in ["ingress", "egress"] {
            bed.host("tc qdisc add dev v1 clsact");
            if !can(bed, &format!("tc filter add dev v1 {side} u32 match u32 0 0 flowid 1:1")) {
                return skipped("this kernel has no u32 classifier");
            }
            assert_eq!(the_one("v1", "v2").found, format!("`v1` has a tc filter (u32) at {side}"));
            bed.host("tc qdisc del dev v1 clsact");
        }
        bed.host("tc qdisc add dev v2 ingress");
        bed.host("tc filter add dev v2 parent ffff: u32 match u32 0 0 flowid 1:1");
        assert_eq!(the_one("v2", "v1").found, "`v2` has a tc filter (u32) at ingress");
        bed.host("tc qdisc del dev v2 ingress");
        bed.host("tc qdisc add dev v2 root tbf rate 1mbit burst 10k latency 10ms");
        let finding = the_one("v2", "v1");
        assert!(finding.found.contains("queueing discipline tbf"), "{}", finding.found);
        assert_eq!(finding.to_do, "tc qdisc del dev v2 root");
        bed.host("tc qdisc del dev v2 root");
        assert_eq!(all(), Findings::default());
    });
}

#[test]
fn programs_of_others_are_found() {
    in_host(|bed| {
        bridge(bed, "", &["v1", "v2"]);
        let Ok(program) = tag_beside(ifindex("v1"), 7) else {
            return skipped("this kernel has no tcx");
        };
        let finding = the_one("v1", "v2");
        assert!(finding.found.contains("at tcx"));
        assert!(finding.found.contains("program `tag_beside`"), "{}", finding.found);
        assert!(finding.found.ends_with("at tcx egress"), "{}", finding.found);
        let id = finding.found.split("(id ").nth(1).and_then(|rest| rest.split(')').next());
        let own = BTreeSet::from([id.unwrap().parse().unwrap()]);
        assert_eq!(found(&own), Findings::default(), "its own are not foreign");
        drop(program);
        // Another test may be starting a command: its child holds the link's descriptor until it runs the program.
        wait_for("the program to be gone", || all() == Findings::default());
    });
}

#[test]
fn vlan_devices_on_a_port_are_found() {
    in_host(|bed| {
        bridge(bed, "", &["v1", "v2"]);
        if !can(bed, "ip link add link v1 name v1.10 type vlan id 10") {
            return skipped("this kernel has no VLAN devices");
        }
        let finding = the_one("v1", "v2");
        assert_eq!(finding.to_do, "ip link del v1.10");
        assert!(finding.found.contains("frames of VLAN 10 that come in by `v1`"));
    });
}
