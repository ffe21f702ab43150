use super::*;
use weir_api::Queued;
use weir_core::ReleaseReason;

fn queue(ingress: u16, egress: u16, packets: u64, sent: u64, shed: bool) -> VifQueue {
    VifQueue {
        ingress: PortId(ingress),
        egress: PortId(egress),
        packets,
        bytes: packets * 100,
        sent_packets: sent,
        sent_bytes: sent * 100,
        shed,
    }
}

fn told(queues: &[(usize, VifQueue)]) -> impl Iterator<Item = (usize, &VifQueue)> {
    queues.iter().map(|(worker, queue)| (*worker, queue))
}

#[test]
fn what_the_gate_handed_over_went_over_the_link_as_well() {
    // The second has no worker: it is gone, or was never served by one.
    let destinations = [(PortId(1), ("nic0", Some(0))), (PortId(3), ("v3", None))].into();
    let queues = [(0, queue(2, 1, 3, 40, false))];
    let express =
        [((2, 1), [5, 700]), ((2, 3), [6, 800]), ((7, 1), [1, 60]), ((2, 99), [9, 9])].into();
    let links = gather(&destinations, told(&queues), &express);
    let brief = |id: u16| -> Vec<(&str, u64, u64)> {
        links[&PortId(id)].iter().map(|link| (&*link.to, link.frames, link.bytes)).collect()
    };
    assert_eq!(brief(2), [("nic0", 45, 4700), ("v3", 6, 800)]);
    assert_eq!(brief(7), [("nic0", 1, 60)]);
    assert_eq!((links[&PortId(2)][0].queued.packets, links.len()), (3, 2));
}

#[test]
fn a_link_carried_what_its_own_worker_sent_and_holds_what_waits_anywhere() {
    let destinations = [(PortId(1), ("nic0", Some(1))), (PortId(2), ("v2", Some(0)))].into();
    let queues = [
        (0, queue(2, 1, 3, 50, false)),
        (1, queue(2, 1, 4, 40, true)),
        (1, queue(2, 2, 0, 9, false)),
        (0, queue(1, 2, 0, 7, false)),
        (0, queue(1, 99, 5, 5, true)),
    ];
    let links = gather(&destinations, told(&queues), &ExpressPairs::new());
    let expected = LinkShare {
        to: "nic0".to_owned(),
        frames: 40,
        bytes: 4000,
        queued: Queued { packets: 7, bytes: 700 },
        shed: true,
    };
    assert_eq!(links[&PortId(2)], [expected]);
    assert_eq!(links[&PortId(1)].len(), 1);
    assert_eq!((links[&PortId(1)][0].frames, links.len()), (7, 2));
}

#[test]
fn containers_are_counted_by_why_they_were_let_go() {
    let mut stats = ContainerCounts { packets: 5, ..ContainerCounts::default() };
    stats.released.add(ReleaseReason::Full, 2);
    let report = containers(&stats);
    assert_eq!(report.released, [("full".to_owned(), 2)].into());
    assert_eq!((report.count(), report.packets), (2, 5));
}
