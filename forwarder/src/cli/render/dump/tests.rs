use super::*;
use crate::{cli::render::WIDTH, observe::dump::samples};
use weir_api::PortLosses;

fn fits(text: &str) {
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
}

#[test]
fn times_have_three_digits() {
    for (ns, text) in [
        (0, "0ns"),
        (999, "999ns"),
        (1_000, "1.00us"),
        (12_345, "12.3us"),
        (999_999, "999us"),
        (1_234_567, "1.23ms"),
        (17_179_869_184, "17.1s"),
    ] {
        assert_eq!(span(ns), text);
    }
}

#[test]
fn latency_by_stage() {
    let mut report = samples::latency();
    for vif in &mut report.vifs {
        vif.stages.drain(..4);
    }
    let expected = "\
VIF  STAGE      PACKETS    P50    P90    P99  P99.9     MAX
v1   residence    1.00k  501us  901us  991us  999us  1.00ms
v2   residence        0      -      -      -      -       -
in 2.00s
";
    assert_eq!(latency(&report), expected);
    let mut widest = samples::latency();
    widest.vifs[0].name = "fifteen-letters".to_owned();
    for at in &mut widest.vifs[0].stages {
        at.summary.count = u64::MAX;
        at.summary.max_ns = 17_179_869_184;
    }
    fits(&latency(&widest));
    report.on = false;
    assert!(latency(&report).contains("switches it off"));
}

#[test]
fn flows_with_long_names_have_a_line_of_their_own() {
    let text = flows(&samples::flows());
    let expected = "\
FLOW                                FRAMES  BYTES  LOST     P50     P99
v1 udp 10.0.0.1:5000 > 10.0.0.2:53   1.00k   100k     3  1.02us  1.02us
v2 tcp vlan 7 [fd00::1]:40000 > [fd00::2]:53
                                         7    700     0  20.0us  20.0us
v2 arp                                   2    200     0   319ns   447ns
v1 (other)                               5    500     0   639ns   639ns
3 of 3 flows; up to 4,096 at once are told apart
";
    assert_eq!(text, expected);
    let mut express = samples::flows();
    express.sums[0].express = 2_000;
    let told = "v1 (other, 2.00k express)                5    500     0   639ns   639ns\n";
    assert!(flows(&express).contains(told), "{}", flows(&express));
    let mut long = samples::flows();
    for flow in &mut long.flows {
        flow.vif = "fifteen-letters".to_owned();
        (flow.counts.frames, flow.counts.bytes) = (u64::MAX, u64::MAX);
        flow.counts.losses = [("queue_full".to_owned(), u64::MAX)].into();
    }
    fits(&flows(&long));
    long.capacity = 0;
    assert!(flows(&long).contains("switches them off"));
    let text = flow_losses(&samples::flows());
    assert!(
        text.contains("v1 udp 10.0.0.1:5000 > 10.0.0.2:53   1.00k     2  queue_full\n"),
        "{text}"
    );
    assert!(!text.contains("arp"), "{text}");
}

#[test]
fn losses_by_port_and_reason() {
    let report = LossReport::of(&crate::cli::render::samples::report());
    let expected = "\
PORT             REASON      LOST   RECEIVED  SHARE
v1               no_egress       7  1,234,567  0.0 %
v1               queue_full  4,000  1,234,567  0.3 %
vnet-0123456789  no_egress       1         12  8.3 %
vnet-0123456789  port_gone       5         12  41.6 %
4,013 lost; what the names mean: weir stats --help-counters
ledger: balanced; in full: weir stats --ledger
in 3723s
";
    let text = losses(&report);
    assert_eq!(
        text.split_whitespace().collect::<Vec<_>>(),
        expected.split_whitespace().collect::<Vec<_>>(),
        "{text}"
    );
    let nothing = LossReport {
        ports: vec![PortLosses { losses: Default::default(), lost: 0, ..report.ports[0].clone() }],
        ledger: None,
        ..report
    };
    assert!(losses(&nothing).starts_with("nothing lost\nin "));
}
