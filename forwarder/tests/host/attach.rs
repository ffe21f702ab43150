use std::sync::atomic::{AtomicBool, Ordering};

use weir::host::attach::{AttachError, Steering};
use weir_abi::gate::{VLAN_WORDS, Vlans, out};
use weir_abi::table::{self, Seed};
use weir_abi::{Counter, GatePort, Method, Storm, gate_flags, shed};
use weir_core::Mode;
use weir_port::Cells;
use weir_port::cells::STRIDE;
use weir_port::probe::KernelFacts;

use super::bed::{in_host, link, wait_for};

pub(crate) fn load() -> Steering {
    Steering::load(&KernelFacts::read().unwrap(), 0, Seed::default()).unwrap()
}

#[test]
fn a_program_in_the_way_is_named() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let v1 = link("v1");
        let (mut first, mut second) = (load(), load());
        let attached = first.attach(v1.ifindex, "v1", Mode::Native).unwrap();
        let (id, mode) = link("v1").xdp.program().unwrap();
        assert_eq!((id, mode), (first.id, "xdpdrv"));
        match second.attach(v1.ifindex, "v1", Mode::Native).unwrap_err() {
            AttachError::Occupied { name, occupant } => {
                assert_eq!((name.as_str(), occupant.program_id), ("v1", id));
                assert!(occupant.is_weir(), "{occupant:?}");
                let own = std::process::id();
                assert!(occupant.holders.iter().any(|(pid, _)| *pid == own), "{occupant:?}");
                let text = occupant.to_string();
                assert!(text.contains("xdpdrv") && text.contains(&id.to_string()));
            }
            other => panic!("{other}"),
        }
        // The gate's hook is another.
        let gate = second.attach(v1.ifindex, "v1", Mode::Gate).unwrap();
        second.detach(gate).unwrap();
        first.detach(attached).unwrap();
        // A command that another test starts meanwhile has every descriptor until its program begins.
        let is_off = || link("v1").xdp.program().is_none();
        wait_for("the program to go", is_off);

        let attached = second.attach(v1.ifindex, "v1", Mode::Native).unwrap();
        // What happens when the process dies: the descriptor is closed, and that is all.
        drop(attached);
        wait_for("the program to go with its descriptor", is_off);
        let attached = second.attach(v1.ifindex, "v1", Mode::Native).unwrap();
        bed.host("ip link del v1");
        second.detach(attached).unwrap();
        let gone = second.attach(v1.ifindex, "v1", Mode::Native).unwrap_err();
        assert!(matches!(gone, AttachError::Gone { .. }), "{gone}");
    });
}

#[test]
fn a_driver_without_xdp_is_told_to_use_the_gate() {
    in_host(|_| {
        let refused = load().attach(link("lo").ifindex, "lo", Mode::Native).unwrap_err();
        assert!(refused.to_string().contains("mode = \"gate\""), "{refused}");
    });
}

#[test]
fn maps_are_written_and_counters_read() {
    for mode in [Mode::Gate, Mode::Native] {
        in_host(|bed| {
            bed.add_guest("vm1", "v1");
            let v1 = link("v1");
            let mut steering = load();
            steering.reset_slot(7).unwrap();
            let port = GatePort::new(v1.ifindex, 0, 0, 0, Storm::default());
            steering.gate.set_port(7, &port, &[0; VLAN_WORDS]).unwrap();
            steering.allow_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
            steering.revoke_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
            steering.revoke_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
            steering.allow_ip(7, "192.0.2.1".parse().unwrap()).unwrap();
            steering.revoke_ip(7, "192.0.2.1".parse().unwrap()).unwrap();
            assert_eq!(steering.counters.of(7).unwrap().received(), 0);
            assert!(steering.counters.of(1024).is_err());

            let attached = steering.attach(v1.ifindex, "v1", mode).unwrap();
            bed.inside("vm1", "ip addr add 192.0.2.2/24 dev eth0");
            // No answer comes; the test is about the questions.
            bed.inside("vm1", "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0");
            let count = |steering: &Steering| {
                steering.counters.of(7).unwrap().frames(Counter::PassedUnknown)
            };
            wait_for("a counted frame", || {
                let _ = std::process::Command::new("ip")
                    .args(["netns", "exec", &bed.namespace("vm1")])
                    .args(["ping", "-c1", "-W1", "192.0.2.9"])
                    .output();
                count(&steering) > 0
            });
            steering.detach(attached).unwrap();
            steering.gate.forget_port(7, v1.ifindex).unwrap();
            steering.gate.forget_port(7, v1.ifindex).unwrap();
            steering.reset_slot(7).unwrap();
            assert_eq!(steering.counters.of(7).unwrap().received(), 0);
        });
    }
}

/// Ping by a guest's frames to another, which nothing but the gate forwards.
#[test]
fn express_frames_are_read_by_port_and_by_pair_and_cleared_with_either_slot() {
    in_host(|bed| {
        const FLAGS: u32 = gate_flags::OFFLOAD | gate_flags::EXPRESS_FROM;
        let seed = Seed { xor: 5, multiply: 7 };
        let mut steering = Steering::load(&KernelFacts::read().unwrap(), 0, seed).unwrap();
        for (n, slot) in [(1, 7), (2, 70)] {
            let (guest, port) = (format!("vm{n}"), format!("v{n}"));
            bed.add_guest(&guest, &port);
            bed.inside(&guest, &format!("ip link set eth0 address 02:00:00:00:00:0{n}"));
            let place = seed.place(table::key(0x0200_0000_0000 + n, 0));
            let word = table::Entry::new(place, slot, 0).word();
            let at = place.bucket as usize * table::WAYS;
            steering.gate.addresses.get(at).unwrap().store(word, Ordering::Relaxed);
            let told = GatePort::new(link(&port).ifindex, FLAGS, 0, 0, Storm::default());
            let told = told.with_way(Method::Redirect, 0, 1514);
            steering.gate.set_port(slot, &told, &[0; VLAN_WORDS]).unwrap();
        }
        // Nothing stands in a backlog from before.
        let told = steering.gate.taken.clone();
        for at in [7, 70].map(|slot| slot * STRIDE) {
            let bridged = told.get(at + out::BRIDGED).unwrap().load(Ordering::Relaxed);
            told.get(at + out::CLEARED).unwrap().store(bridged, Ordering::Relaxed);
        }
        let express = steering.counters.clone();
        assert_eq!(steering.gate.express_pairs().unwrap(), [].into());
        let attached = steering.attach(link("v1").ifindex, "v1", Mode::Gate).unwrap();
        bed.inside("vm1", "ip addr add 192.0.2.1/24 dev eth0");
        bed.inside("vm1", "ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0");
        wait_for("an express frame", || {
            let _ = std::process::Command::new("ip")
                .args(["netns", "exec", &bed.namespace("vm1")])
                .args(["ping", "-c1", "-W1", "192.0.2.2"])
                .output();
            express.by(7).unwrap()[0] > 0
        });
        steering.detach(attached).unwrap();
        let [frames, bytes] = express.by(7).unwrap();
        assert_eq!(frames, steering.counters.of(7).unwrap().frames(Counter::Express));
        // 56 bytes of ping's, and headers.
        assert_eq!(bytes, frames * 98);
        assert_eq!(steering.gate.expressed(70).unwrap(), [frames, bytes]);
        assert_eq!(steering.gate.expressed(7).unwrap(), [0, 0]);
        assert_eq!(steering.gate.express_pairs().unwrap(), [((7, 70), [frames, bytes])].into());

        steering.reset_slot(70).unwrap();
        assert_eq!(steering.gate.express_pairs().unwrap(), [].into());
        assert_eq!(steering.gate.expressed(70).unwrap(), [0, 0]);
        assert_eq!(express.by(7).unwrap(), [frames, bytes], "the other name's");
        steering.reset_slot(7).unwrap();
        assert_eq!(express.by(7).unwrap(), [0, 0]);
    });
}

/// What went by the bridge to a port that comes, or changes, was not counted; so every source is held.
#[test]
fn sources_are_held_where_the_gate_takes_something_from_the_bridge() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let v1 = link("v1");
        let mut steering = load();
        let gate = &mut steering.gate;
        let (taken, changes) = (gate.taken.clone(), gate.changes.clone());
        let held =
            |slot: usize| taken.get(STRIDE * slot + out::BRIDGED).unwrap().load(Ordering::Relaxed);
        let mut tell = |flags, vlans: &Vlans| {
            let port = GatePort::new(v1.ifindex, flags, 0, 0, Storm::default());
            gate.set_port(7, &port, vlans).unwrap();
            assert!(changes.are_stored());
            [held(7), held(3), held(1023)]
        };
        let none = [0; VLAN_WORDS];
        assert_eq!(tell(0, &none), [1; 3], "a port has come");
        assert_eq!(tell(0, &none), [1; 3], "no change");
        assert_eq!(tell(gate_flags::EXPRESS_FROM, &none), [1; 3], "another lane");
        assert_eq!(tell(gate_flags::OFFLOAD, &none), [2; 3], "it is understood now");
        assert_eq!(tell(gate_flags::OFFLOAD, &[1; VLAN_WORDS]), [3; 3], "other VLANs");
        let changing = gate.hold_all();
        assert_eq!((held(7), changes.are_stored()), (4, false));
        drop(changing);
        assert!(changes.are_stored());
    });
}

/// The bits of the pairs that may not talk, as a reader of the map sees them.
struct Shedding {
    steering: Steering,
    bits: Cells,
}

impl Shedding {
    fn load() -> Self {
        let steering = load();
        let bits = steering.shed.clone();
        Self { steering, bits }
    }

    fn row(&self, slot: usize) -> shed::Row {
        let words = &self.bits.as_slice()[slot * shed::ROW_WORDS..][..shed::ROW_WORDS];
        std::array::from_fn(|at| words[at].load(Ordering::Relaxed))
    }

    fn set(&self, slot: usize, row: shed::Row) {
        let words = &self.bits.as_slice()[slot * shed::ROW_WORDS..];
        words.iter().zip(row).for_each(|(word, bits)| word.store(bits, Ordering::Relaxed));
    }
}

/// These words, and nothing after them.
fn row<const N: usize>(words: [u64; N]) -> shed::Row {
    std::array::from_fn(|at| words.get(at).copied().unwrap_or_default())
}

#[test]
fn a_slot_that_is_used_again_is_shed_neither_as_sender_nor_as_receiver() {
    in_host(|_| {
        let mut world = Shedding::load();
        world.set(7, row([1 << 8, 1 << 6]));
        world.set(70, [u64::MAX; shed::ROW_WORDS]);
        world.set(1023, row([0, 3 << 6, 0, 1]));
        world.steering.reset_slot(70).unwrap();
        assert_eq!(world.row(70), [0; shed::ROW_WORDS]);
        assert_eq!(world.row(7), row([1 << 8]));
        assert_eq!(world.row(1023), row([0, 2 << 6, 0, 1]));
        assert!(world.steering.reset_slot(1024).is_err());
    });
}

#[test]
fn a_slot_that_is_cleared_takes_nothing_from_its_neighbours() {
    in_host(|_| {
        const ROUNDS: u32 = 200;
        let mut world = Shedding::load();
        let bits = world.bits.clone();
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
