use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// A link with more to send than it may, and what its packets take.
#[derive(Clone, Copy, Debug)]
struct Flood {
    weight: u64,
    packet_ns: u64,
    bytes: u64,
    /// Packets in a container.
    packets: u64,
    /// The link sends in this many turns of eight.
    busy: u64,
}

impl Flood {
    const SMALL: Self = Self { weight: 1, packet_ns: 1_800, bytes: 64, packets: 64, busy: 8 };
    const LARGE: Self = Self { packet_ns: 2_300, bytes: 1458, packets: 2, ..Self::SMALL };
    const SUPER: Self = Self { packet_ns: 30_000, bytes: 65_000, packets: 1, ..Self::SMALL };

    const fn weight(self, weight: u64) -> Self {
        Self { weight, ..self }
    }

    const fn container_ns(self) -> u64 {
        self.packet_ns * self.packets
    }
}

/// The results of several turns: the time of each link, and the total of each turn.
struct Outcome {
    took_ns: Vec<u64>,
    turns_ns: Vec<u64>,
    share: WorkShare,
}

fn play(floods: &[Flood], turns: u64) -> Outcome {
    let mut share = WorkShare::default();
    let (mut took_ns, mut turns_ns) = (vec![0; floods.len()], Vec::new());
    for turn in 0..turns {
        let mut waiting = PortSet::EMPTY;
        for (at, flood) in floods.iter().enumerate() {
            if turn % 8 < flood.busy {
                waiting.insert(PortId(at as u16));
            }
        }
        share.begin(waiting, |id| floods[id.index()].weight);
        let mut whole_ns = 0;
        for id in waiting.iter() {
            let flood = floods[id.index()];
            let (room, mut sent) = (share.room(id), Amount::default());
            while sent < room {
                sent = sent.and(Amount::of(flood.packets, flood.packets * flood.bytes));
                share.took(id, flood.container_ns());
                took_ns[id.index()] += flood.container_ns();
                whole_ns += flood.container_ns();
            }
            share.sent(id, sent);
        }
        for id in waiting.iter() {
            share.end(id);
        }
        turns_ns.push(whole_ns);
    }
    Outcome { took_ns, turns_ns, share }
}

/// A line for each link: its part of the time, and its part of the weights.
fn table(floods: &[Flood], outcome: &Outcome) -> String {
    let (all_ns, weights): (u64, u64) =
        (outcome.took_ns.iter().sum(), floods.iter().map(|flood| flood.weight).sum());
    let mut text = String::from("weight  bytes  of time  of weights\n");
    for (flood, &took_ns) in floods.iter().zip(&outcome.took_ns) {
        let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole as f64;
        let _ = writeln!(
            text,
            "{:>6}  {:>5}  {:>6.1} %  {:>8.1} %",
            flood.weight,
            flood.bytes,
            percent(took_ns, all_ns),
            percent(flood.weight, weights)
        );
    }
    text
}

#[test]
fn time_is_shared_by_weight_whatever_packets_cost() {
    let floods = [Flood::SMALL, Flood::LARGE.weight(2), Flood::SUPER.weight(4), Flood::LARGE];
    let outcome = play(&floods, 8_000);
    insta::assert_snapshot!(table(&floods, &outcome), @r"
    weight  bytes  of time  of weights
         1     64    12.5 %      12.5 %
         2   1458    25.0 %      25.0 %
         4  65000    50.0 %      50.0 %
         1   1458    12.5 %      12.5 %
    ");
}

#[test]
fn who_is_alone_has_whole_turns_and_a_turn_is_as_long_as_it_should_be() {
    for flood in [Flood::SMALL, Flood::LARGE, Flood::SUPER] {
        let outcome = play(&[flood], 1_000);
        let longest_ns = outcome.turns_ns[100..].iter().max().unwrap();
        let whole = TURN_NS..=TURN_NS + flood.container_ns();
        assert!(whole.contains(longest_ns), "{flood:?}: {longest_ns}");
        assert!(outcome.took_ns[0] >= 1_000 * TURN_NS, "{flood:?}");
    }
}

#[test]
fn what_packets_take_is_learned() {
    let outcome = play(&[Flood::SUPER], 100);
    let likely_ns = outcome.share.links[0].measured.likely_ns(Amount::of(10, 650_000).0);
    assert!(likely_ns.abs_diff(300_000) < 3_000, "{likely_ns}");
}

#[test]
fn a_preempted_worker_is_not_charged_to_the_link_whose_turn_it_was() {
    let mut share = WorkShare::default();
    let (one, other) = (PortId(3), PortId(4));
    let waiting: PortSet = {
        let mut both = PortSet::EMPTY;
        [one, other].iter().for_each(|&id| _ = both.insert(id));
        both
    };
    let packets = Amount::of(4, 400);
    share.begin(waiting, |_| 1);
    share.sent(one, packets);
    share.took(one, 50_000_000);
    share.end(one);
    assert!(share.links[one.index()].measured.likely_ns(packets.0) < 100_000, "not 50 ms");
    (0..3).for_each(|_| share.begin(waiting, |_| 1));
    assert!(share.room(one) > Amount::default(), "it has its turn again");
}

#[test]
fn who_comes_to_wait_is_served_in_that_turn_and_saves_nothing_up() {
    let (heavy, polite) = (PortId(0), PortId(1));
    let mut share = WorkShare::default();
    let set = |ids: &[PortId]| {
        let mut set = PortSet::EMPTY;
        ids.iter().for_each(|&id| _ = set.insert(id));
        set
    };
    for _ in 0..1_000 {
        share.begin(set(&[heavy]), |_| 1);
        let room = share.room(heavy);
        share.sent(heavy, room);
        share.took(heavy, TURN_NS);
        share.end(heavy);
    }
    share.begin(set(&[heavy, polite]), |_| 1);
    let room = share.room(polite);
    assert!(room >= Amount::of(1, 1458));
    assert!(room <= Amount::of(TURN_NS / 2_000 + 1, 0), "its part of two, not all it missed");
}

#[test]
fn a_turn_takes_in_twice_what_the_last_one_sent_if_something_waits_for_the_worker() {
    let (mut work, link) = (WorkShare::default(), PortId(3));
    let mut waiting = PortSet::EMPTY;
    waiting.insert(link);
    let mut turn = |sent: Amount, is_short: bool| {
        work.begin(waiting, |_| 1);
        work.sent(link, sent);
        work.end(link);
        if is_short {
            work.is_short();
        }
        work.intake_of_one()
    };
    let sent = Amount::of(40, 4_000);
    assert_eq!(turn(sent, false), None);
    assert_eq!(turn(sent, true), Some(sent));
    assert_eq!(turn(Amount::of(1, 60), true), Some(FLOOR));
    assert_eq!(FLOOR.packets(), 16);
    assert_eq!(turn(Amount::default(), false), None);
}

fn flood() -> impl Strategy<Value = Flood> {
    (1_u64..=30, 1_000_u64..40_000, 64_u64..60_000, 1_u64..=16, 1_u64..=12).prop_map(
        |(weight, packet_ns, bytes, packets, busy)| Flood {
            weight,
            packet_ns,
            bytes,
            packets,
            busy: busy.min(8),
        },
    )
}

proptest! {
    #[test]
    fn shares_follow_the_weights(floods in prop::collection::vec(flood(), 1..6)) {
        let floods: Vec<_> = floods.into_iter().map(|flood| Flood { busy: 8, ..flood }).collect();
        let turns = 4_000;
        let outcome = play(&floods, turns);
        let (all_ns, weights): (u64, u64) =
            (outcome.took_ns.iter().sum(), floods.iter().map(|flood| flood.weight).sum());
        for (flood, &took_ns) in floods.iter().zip(&outcome.took_ns) {
            let due_ns = all_ns * flood.weight / weights;
            // The time until the estimates were learned, and a container and a part of the turn.
            let bound_ns = all_ns / 50 + 4 * (TURNS_MOST * TURN_NS + flood.container_ns());
            prop_assert!(took_ns.abs_diff(due_ns) <= bound_ns, "{}", table(&floods, &outcome));
        }
    }

    #[test]
    fn a_turn_is_bounded(floods in prop::collection::vec(flood(), 1..6)) {
        let outcome = play(&floods, 400);
        let containers_ns: u64 = floods.iter().map(|flood| flood.container_ns()).sum();
        for &turn_ns in &outcome.turns_ns[100..] {
            prop_assert!(turn_ns <= 2 * TURNS_MOST * TURN_NS + 2 * containers_ns, "{turn_ns}: {floods:?}");
        }
    }
}
