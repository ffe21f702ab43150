use std::sync::atomic::{AtomicBool, Ordering};

use aya::maps::{Array, Map, MapData};
use weir::control::attach::{AttachError, Mode, Steering, WantedMode};
use weir::control::btf;
use weir_abi::{Counter, PortConfig, shed};
use weir_core::Mac;
use weir_port::Cells;
use weir_port::probe::{TestCtx, test_run};

use super::bed::{in_host, link};

#[test]
fn a_program_in_the_way_is_named() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let v1 = link("v1");
        let mut first = Steering::load(&btf::facts_or_none(), None).unwrap();
        let mut second = Steering::load(&btf::facts_or_none(), None).unwrap();
        let attached = first.attach(v1.ifindex, "v1", Mode::Skb).unwrap();
        let (id, mode) = link("v1").xdp.program().unwrap();
        assert_eq!(mode, "xdpgeneric");
        for mode in [Mode::Skb, Mode::Native] {
            match second.attach(v1.ifindex, "v1", mode).unwrap_err() {
                AttachError::Occupied { name, occupant } => {
                    assert_eq!((name.as_str(), occupant.program_id), ("v1", id));
                    assert!(occupant.is_weir(), "{occupant:?}");
                    let own = std::process::id();
                    assert!(occupant.holders.iter().any(|(pid, _)| *pid == own), "{occupant:?}");
                    let text = occupant.to_string();
                    assert!(text.contains("xdpgeneric") && text.contains(&id.to_string()));
                }
                other => panic!("{other}"),
            }
        }
        first.detach(attached).unwrap();
        assert_eq!(link("v1").xdp.program(), None);

        let wanted = WantedMode::Auto;
        let attached = second.attach_as(v1.ifindex, "v1", wanted, true).unwrap();
        assert_eq!(attached.mode, Mode::Skb);
        // What happens when the process dies: the descriptor is closed, and that is all.
        drop(attached);
        assert_eq!(link("v1").xdp.program(), None);
        let attached = second.attach(v1.ifindex, "v1", Mode::Native).unwrap();
        assert_eq!(link("v1").xdp.program().unwrap().1, "xdpdrv");
        bed.host("ip link del v1");
        second.detach(attached).unwrap();
        let gone = second.attach(v1.ifindex, "v1", Mode::Skb).unwrap_err();
        assert!(matches!(gone, AttachError::Gone { .. }), "{gone}");
    });
}

#[test]
fn a_driver_without_xdp_gets_skb_mode() {
    in_host(|_| {
        let lo = link("lo");
        let mut steering = Steering::load(&btf::facts_or_none(), None).unwrap();
        let refused = steering.attach(lo.ifindex, "lo", Mode::Native).unwrap_err();
        assert!(refused.to_string().contains("mode = \"auto\""), "{refused}");
        let attached = steering.attach_as(lo.ifindex, "lo", WantedMode::Auto, false).unwrap();
        assert_eq!(attached.mode, Mode::Skb);
    });
}

#[test]
fn maps_are_written_and_counters_read() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let v1 = link("v1");
        let mut steering = Steering::load(&btf::facts_or_none(), None).unwrap();
        steering.reset_slot(7).unwrap();
        steering.configure_port(v1.ifindex, PortConfig::new(7, 0, v1.mac, [0; 6])).unwrap();
        steering.allow_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
        steering.revoke_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
        steering.revoke_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
        steering.allow_ip(7, "192.0.2.1".parse().unwrap()).unwrap();
        steering.revoke_ip(7, "192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(steering.counters(7).unwrap().received(), 0);
        assert!(steering.counters(1024).is_err());

        let attached = steering.attach(v1.ifindex, "v1", Mode::Skb).unwrap();
        bed.inside("vm1", "ip addr add 192.0.2.2/24 dev eth0");
        // Nobody answers; the questions are what counts.
        bed.inside("vm1", "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0");
        let count =
            |steering: &Steering| steering.counters(7).unwrap().frames(Counter::PassedFallback);
        super::bed::wait_for("a counted frame", || {
            let _ = std::process::Command::new("ip")
                .args(["netns", "exec", &bed.namespace("vm1"), "ping", "-c1", "-W1", "192.0.2.9"])
                .output();
            count(&steering) > 0
        });
        steering.detach(attached).unwrap();
        steering.forget_port(v1.ifindex).unwrap();
        steering.forget_port(v1.ifindex).unwrap();
        steering.reset_slot(7).unwrap();
        assert_eq!(steering.counters(7).unwrap().received(), 0);
    });
}

/// A port whose slot has no socket: what is not shed goes on to the kernel.
struct Shedding {
    steering: Steering,
    bits: Array<MapData, shed::Row>,
}

impl Shedding {
    const LO: u32 = 1;

    fn at_slot(slot: u16) -> Self {
        let mut steering = Steering::load(&btf::facts_or_none(), None).unwrap();
        steering.configure_port(Self::LO, PortConfig::new(slot, 0, [0; 6], [0; 6])).unwrap();
        let fd = steering.shed_fd().try_clone_to_owned().unwrap();
        let map = MapData::from_fd(fd).unwrap();
        let info = map.info().unwrap();
        assert_eq!((info.value_size(), info.max_entries()), (128, 1024), "row after row");
        assert_ne!(info.map_flags() & 1 << 10, 0, "BPF_F_MMAPABLE");
        let bits = Array::try_from(Map::Array(map)).unwrap();
        Self { steering, bits }
    }

    fn row(&self, slot: u32) -> shed::Row {
        self.bits.get(&slot, 0).unwrap()
    }

    /// Whether a frame for that address is dropped.
    fn drops(&self, dst: Mac, vlan: u16) -> bool {
        let mut frame = [&dst.octets()[..], &[2, 0, 0, 0, 0, 1]].concat();
        if vlan != 0 {
            frame.extend([0x81, 0x00]);
            frame.extend(vlan.to_be_bytes());
        }
        frame.extend([0x88, 0xb5]); // an experiment's EtherType
        frame.resize(64, 0);
        let ctx = TestCtx { ingress_ifindex: Self::LO, rx_queue_index: 0 };
        let program = self.steering.program_fd().unwrap();
        let run = test_run(std::os::fd::AsFd::as_fd(&program), &frame, Some(ctx)).unwrap();
        assert!(run.action == 1 || run.action == 2, "neither dropped nor passed: {}", run.action);
        run.action == 1
    }
}

/// These words, and nothing after them.
fn row<const N: usize>(words: [u64; N]) -> shed::Row {
    std::array::from_fn(|at| words.get(at).copied().unwrap_or_default())
}

#[test]
fn the_program_sheds_by_where_it_was_told_that_addresses_are() {
    in_host(|_| {
        let mut world = Shedding::at_slot(7);
        let (one, two) = (Mac::new([2, 0, 0, 0, 0, 8]), Mac::new([2, 0, 0, 0, 0, 9]));
        world.bits.set(7, row([1 << 8 | 1 << 9]), 0).unwrap();
        assert!(!world.drops(one, 0), "nobody is known");
        world.steering.fdb_set(one, 0, 8).unwrap();
        world.steering.fdb_set(two, 0, 9).unwrap();
        world.steering.fdb_set(two, 100, 9).unwrap();
        assert!(world.drops(one, 0) && world.drops(two, 0) && world.drops(two, 100));
        assert!(!world.drops(one, 100), "not heard in that VLAN");

        world.steering.fdb_set(two, 0, 10).unwrap();
        assert!(!world.drops(two, 0), "moved to where nothing is shed");
        world.steering.fdb_set(two, 0, 9).unwrap();
        world.steering.fdb_remove(two, 100).unwrap();
        world.steering.fdb_remove(two, 100).unwrap();
        assert!(world.drops(two, 0) && !world.drops(two, 100));

        world.steering.fdb_set(two, 100, 9).unwrap();
        world.steering.fdb_clear_port(9).unwrap();
        assert!(!world.drops(two, 0) && !world.drops(two, 100));
        assert!(world.drops(one, 0), "it is behind another port");
        assert_eq!(world.row(7), row([1 << 8 | 1 << 9]), "nobody touched the bits");
    });
}

#[test]
fn a_slot_that_is_used_again_is_shed_neither_as_sender_nor_as_receiver() {
    in_host(|_| {
        let mut world = Shedding::at_slot(7);
        let (kept, gone) = (Mac::new([2, 0, 0, 0, 0, 8]), Mac::new([2, 0, 0, 0, 0, 0x46]));
        world.steering.fdb_set(kept, 0, 8).unwrap();
        world.steering.fdb_set(gone, 0, 70).unwrap();
        world.bits.set(7, row([1 << 8, 1 << 6]), 0).unwrap();
        world.bits.set(70, [u64::MAX; shed::ROW_WORDS], 0).unwrap();
        world.bits.set(1023, row([0, 3 << 6, 0, 1]), 0).unwrap();
        assert!(world.drops(gone, 0) && world.drops(kept, 0));

        world.steering.reset_slot(70).unwrap();
        assert_eq!(world.row(70), [0; shed::ROW_WORDS]);
        assert_eq!(world.row(7), row([1 << 8]));
        assert_eq!(world.row(1023), row([0, 2 << 6, 0, 1]));
        world.bits.set(7, row([1 << 8, 1 << 6]), 0).unwrap();
        assert!(!world.drops(gone, 0), "who was behind the slot is forgotten");
        assert!(world.drops(kept, 0));
        assert!(world.steering.reset_slot(1024).is_err());
    });
}

#[test]
fn a_slot_that_is_cleared_takes_nothing_from_its_neighbours() {
    in_host(|_| {
        const ROUNDS: u32 = 200;
        let mut world = Shedding::at_slot(7);
        let bits = Cells::map(world.steering.shed_fd(), shed::WORDS).unwrap();
        // In the word of the bit that is cleared, in the same row, and in another.
        let neighbours = [(7, 65), (7, 8), (9, 71)];
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut lost = 0;
                while !done.load(Ordering::Relaxed) {
                    for (ingress, egress) in neighbours {
                        let (word, mask) = shed::cell(ingress, egress).unwrap();
                        let word = bits.get(word).unwrap();
                        word.fetch_or(mask, Ordering::Relaxed);
                        std::thread::yield_now();
                        lost += u32::from(word.fetch_and(!mask, Ordering::Relaxed) & mask == 0);
                    }
                }
                lost
            });
            let (word, mask) = shed::cell(7, 70).unwrap();
            for _ in 0..ROUNDS {
                bits.get(word).unwrap().fetch_or(mask, Ordering::Relaxed);
                world.steering.reset_slot(70).unwrap();
                assert_eq!(bits.get(word).unwrap().load(Ordering::Relaxed) & mask, 0);
            }
            done.store(true, Ordering::Relaxed);
            assert_eq!(worker.join().unwrap(), 0, "bits lost in {ROUNDS} rounds");
        });
        assert_eq!(world.row(7), [0; shed::ROW_WORDS]);
    });
}
