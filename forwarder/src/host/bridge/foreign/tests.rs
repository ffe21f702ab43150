use super::netfilter::{Chain, Host, judge_chains, judge_host};
use super::*;

const FORWARD: u32 = 2;

fn chain(family: u8, hook: u32, rules: usize) -> Chain {
    Chain {
        family,
        table: "t".to_owned(),
        name: "c".to_owned(),
        hook,
        devices: Vec::new(),
        prefixes: Vec::new(),
        drops: false,
        rules,
    }
}

fn judged(chains: &[Chain]) -> Findings {
    let mut findings = Findings::default();
    let ports = [(2, "v1"), (3, "vm-a")].map(|(ifindex, name)| (ifindex, name.to_owned()));
    judge_chains(chains, &ports.into(), &mut findings);
    findings
}

#[test]
fn chains_that_bridged_frames_pass_are_found() {
    let found = judged(&[chain(7, FORWARD, 3)]);
    assert_eq!(found.bridge.len(), 1);
    let finding = &found.bridge[0];
    assert_eq!(finding.found, "the nftables chain `bridge t c` has 3 rules");
    assert_eq!(finding.to_do, "nft delete table bridge t");
    assert_eq!(found.of_port(2), found.of_port(3));
    assert!(found.of_port(2)[0].to_string().contains("go by the bridge"));
    let dropping = Chain { drops: true, ..chain(7, FORWARD, 0) };
    assert!(judged(&[dropping]).bridge[0].found.contains("drops everything"));
}

#[test]
fn chains_that_do_nothing_to_them_are_not() {
    // An empty chain, one for the host's own frames, and one of a family that sees no bridged frames.
    let others = [chain(7, FORWARD, 0), chain(7, 1, 3), chain(7, 3, 3), chain(2, FORWARD, 3)];
    assert_eq!(judged(&others), Findings::default());
}

#[test]
fn chains_at_devices_are_found_at_theirs() {
    let at = |family, hook, device: &str| Chain {
        devices: vec![device.to_owned()],
        ..chain(family, hook, 1)
    };
    let wildcard = Chain { prefixes: vec!["vm-".to_owned()], ..chain(5, 1, 1) };
    let found = judged(&[at(5, 0, "v1"), at(1, 5, "v1"), at(5, 0, "eth0"), wildcard]);
    assert!(found.bridge.is_empty());
    assert_eq!(found.ports[&2].len(), 2);
    assert_eq!(found.ports[&3].len(), 1);
    assert!(found.ports[&2][0].found.ends_with("has 1 rule on `v1`"));
    assert_eq!((found.of_port(2).len(), found.of_port(9).len()), (2, 0));
}

#[test]
fn the_ip_firewall_counts_where_it_sees_bridged_frames() {
    let judged = |on: &[&'static str], tables: &[(&'static str, &str)], chains: &[Chain]| {
        let mut findings = Findings::default();
        let tables = tables.iter().map(|(file, table)| (*file, (*table).to_owned())).collect();
        let host = Host { on: on.to_vec(), tables, modules: vec!["ebtables".to_owned()] };
        judge_host(&host, chains, &mut findings);
        findings.bridge
    };
    let rules = [chain(1, FORWARD, 1)];
    assert_eq!(judged(&[], &[("ip_tables_names", "filter")], &rules), []);
    assert_eq!(judged(&["iptables"], &[], &[chain(10, FORWARD, 1)]), []);
    assert_eq!(judged(&["iptables"], &[("arp_tables_names", "filter")], &[]), []);
    let both = judged(&["iptables", "ip6tables"], &[], &rules);
    assert_eq!(both.len(), 2);
    assert_eq!(both[1].to_do, "sysctl -w net.bridge.bridge-nf-call-ip6tables=0");
    assert!(both[0].found.contains("`inet t c` has 1 rule"), "{}", both[0].found);
    let legacy = judged(&["iptables"], &[("ip_tables_names", "nat")], &[]);
    assert!(legacy[0].found.contains("its table `nat` is in use"));
    let arp = judged(&["arptables"], &[], &[chain(3, 2, 1)]);
    assert_eq!(arp.len(), 1);
    assert!(arp[0].found.contains("to arptables"), "{}", arp[0].found);
}

#[test]
fn a_loaded_ebtables_table_is_found() {
    let mut findings = Findings::default();
    let modules = vec!["ebtable_filter".to_owned(), "ebtables".to_owned()];
    let host = Host { modules, ..Host::default() };
    judge_host(&host, &[], &mut findings);
    assert_eq!(findings.bridge.len(), 1);
    assert_eq!(findings.bridge[0].to_do, "modprobe -r ebtable_filter");
}

#[test]
fn what_a_kernel_does_not_have_is_nothing_and_what_it_refuses_is_told() {
    let mut findings = Findings::default();
    let fail = |code| -> io::Result<u32> { Err(io::Error::from_raw_os_error(code)) };
    assert_eq!(findings.look("nftables", fail(libc::EOPNOTSUPP)), 0);
    assert!(findings.unknown.is_empty());
    findings.look("nftables", fail(libc::EPERM));
    assert!(findings.unknown[0].starts_with("nftables: "), "{:?}", findings.unknown);
    assert!(findings.of_port(7).is_empty());
    findings.leave_unknown_to_the_bridge(Ports::from([(7, "v7".to_owned())]).iter());
    assert_eq!([7, 8].map(|at| findings.of_port(at).len()), [1, 0], "there may be rules");
}

#[test]
fn what_was_found_earlier_is_added_once() {
    let (mut earlier, mut now) = (Findings::default(), Findings::default());
    for (findings, at) in [(&mut earlier, [1, 2]), (&mut now, [1, 3])] {
        findings.on_bridge("a filter".to_owned(), String::new());
        for ifindex in at {
            findings.on_port(ifindex, "a qdisc".to_owned(), String::new());
        }
    }
    let both = now.and(&earlier);
    assert_eq!([1, 2, 3, 4].map(|ifindex| both.of_port(ifindex).len()), [2, 2, 2, 1]);
}

#[test]
fn truncated_messages_say_nothing() {
    // A chain `bridge t c` at the hook forward, as the kernel lays it out.
    let mut payload = vec![7, 0, 0, 0];
    let attribute = |into: &mut Vec<u8>, kind: u16, value: &[u8]| {
        into.extend_from_slice(&(value.len() as u16 + 4).to_ne_bytes());
        into.extend_from_slice(&kind.to_ne_bytes());
        into.extend_from_slice(value);
        into.resize(into.len().next_multiple_of(4), 0);
    };
    attribute(&mut payload, 1, b"t\0");
    attribute(&mut payload, 3, b"c\0");
    let mut hook = Vec::new();
    attribute(&mut hook, 1, &2_u32.to_be_bytes());
    attribute(&mut payload, 4, &hook);
    attribute(&mut payload, 5, &1_u32.to_be_bytes());
    assert_eq!(netfilter::chain(&payload), Some(chain(7, 2, 0)));
    for len in 0..payload.len() {
        let _ = netfilter::chain(&payload[..len]);
        let _ = qdisc(&payload[..len]);
    }
    assert_eq!(netfilter::chain(&payload[..12]), None);
}
