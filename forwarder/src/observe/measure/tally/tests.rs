use super::*;
use weir_core::Reason;
use weir_core::latency::histogram;

#[test]
fn what_one_worker_took_and_another_sent_is_one_flow() {
    let mut arrived = FlowCounts { frames: 10, bytes: 1000, ..FlowCounts::default() };
    (arrived.first_ns, arrived.last_ns, arrived.tcp_flags) = (50, 90, 0b10);
    arrived.losses.add(Reason::NoEgress, 1);
    let mut sent = FlowCounts { delivered: 8, delivered_bytes: 800, ..FlowCounts::default() };
    (sent.jitter_ns, sent.tcp_flags) = (7, 0b1_0000);
    sent.losses.add(Reason::QueueFull, 1);
    let mut times = histogram::<u32>();
    times.saturating_record_n(1000, 8);
    let mut both = Tally::of::<u32>(arrived, None);
    both.add(&Tally::of(sent, Some(&times)));
    let key = FlowKey { ethertype: 0x0800, proto: 6, ..FlowKey::default() };
    let told = FlowReporter::new(100, true).flow("v1".into(), &key, &both);
    assert_eq!((told.age_ns, told.idle_ns), (50, 10));
    assert_eq!((told.counts.frames, told.counts.delivered), (10, 8));
    assert_eq!((told.counts.jitter_ns, told.counts.residence.count), (7, 8));
    assert_eq!(told.counts.tcp_flags, ["SYN", "ACK"]);
    let losses = [("no_egress".to_owned(), 1), ("queue_full".to_owned(), 1)];
    assert_eq!(told.counts.losses, losses.into());
    assert_eq!(told.histogram, Some(encode(&times)));
}

#[test]
fn of_two_jitters_that_of_whoever_sent_more_stays() {
    let sent = |delivered, jitter_ns| {
        let counts = FlowCounts { delivered, jitter_ns, ..FlowCounts::default() };
        Tally::of::<u64>(counts, None)
    };
    let mut all = Tally::default();
    assert!(all.is_empty());
    all.add(&sent(30, 10));
    all.add(&sent(10, 50));
    assert_eq!((all.counts.jitter_ns, all.counts.delivered), (10, 40));
    assert!(!all.is_empty());
}

#[test]
fn a_flow_is_called_what_it_is() {
    let key = |ethertype, proto| FlowKey { ethertype, proto, ..FlowKey::default() };
    for (ethertype, number, name) in [
        (0x0800, 17, "udp"),
        (0x86dd, 58, "icmpv6"),
        (0x0800, 132, "132"),
        (0x0806, 0, "arp"),
        (0x88cc, 0, "0x88cc"),
    ] {
        assert_eq!(proto(&key(ethertype, number)), name);
    }
    let mut reporter = FlowReporter::new(0, false);
    let fragment = reporter.flow("v1".into(), &key(0x86dd, 17), &Tally::default());
    assert_eq!((fragment.src.as_deref(), fragment.src_port), (Some("::"), None));
    let arp = reporter.flow("v1".into(), &key(0x0806, 0), &Tally::default());
    assert_eq!((arp.src, arp.vlan, arp.histogram), (None, None, None));
}
