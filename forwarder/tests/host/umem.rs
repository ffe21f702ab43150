use std::time::{Duration, Instant};

use weir::host::pair::{Identity, Pair, remove_leftovers};
use weir_abi::Meta;
use weir_core::PortId;
use weir_port::{Packet, Pool, Port, Transmit, UmemHandle, XskConfig, XskPort};
use weir_rig::{Action, Attached, Counter, Hook, Program, programs};

use super::bed::{Bed, in_host, link, wait_for};

const CONTROL: &str = "/run/weir-test/umem.sock";
const FRAMES: u32 = 8192;
const BROADCAST: [u8; 4] = [0xff; 4];

struct Cleanup(Identity);

impl Drop for Cleanup {
    fn drop(&mut self) {
        let _ = remove_leftovers(&self.0);
    }
}

/// Two receive ports on a pair, on a UMEM that was made in its namespace.
struct Inside {
    pool: Pool,
    umem: UmemHandle,
    ports: Vec<XskPort>,
    _program: Attached,
}

impl Inside {
    fn new(pair: &Pair) -> Self {
        let inner = &pair.inner;
        let made = pair.netns.enter(|| {
            let (pool, umem) = Pool::umem(FRAMES).unwrap();
            let (mut program, mut map) = programs::receive().unwrap();
            let mut bind = |queue: u32| {
                let config = XskConfig {
                    first_queue: queue,
                    fill_quota: 512,
                    ..XskConfig::new(&inner.name, inner.ifindex, PortId(queue as u16))
                };
                let port = XskPort::bind(&umem, config).unwrap();
                for (queue, socket) in port.xsk_fds() {
                    map.set(queue, socket, 0).unwrap();
                }
                port
            };
            let ports = vec![bind(0), bind(1)];
            let attached = program.attach(inner.ifindex, Hook::Skb).unwrap();
            Self { pool, umem, ports, _program: attached }
        });
        made.unwrap()
    }

    /// The next packet that one of the two receives.
    fn receive(&mut self, queue: usize) -> Packet {
        let mut packets = Vec::with_capacity(1);
        let deadline = Instant::now() + Duration::from_secs(5);
        while packets.is_empty() {
            let port = &mut self.ports[queue];
            port.receive(&mut self.pool, &mut packets, 1);
            assert!(Instant::now() < deadline, "{queue}: {:?}", port.stats());
        }
        packets.remove(0)
    }

    fn send(&mut self, port: &mut XskPort, packet: Packet) {
        port.send(&mut self.pool, packet).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while port.tx_outstanding() > 0 {
            port.kick(&mut self.pool);
            port.complete(&mut self.pool);
            assert!(Instant::now() < deadline, "{:?}", port.stats());
        }
    }
}

/// Counts broadcasts that arrive at a guest.
fn counting(bed: &Bed, guest: &str) -> (Counter, Attached) {
    bed.enter(guest, || {
        let pattern = [(0, BROADCAST); 2];
        let mut program = Program::matching(pattern, Action::Drop, Action::Drop).unwrap();
        let counter = program.counter().unwrap();
        let attached = program.attach(link("eth0").ifindex, Hook::Skb).unwrap();
        (counter, attached)
    })
}

fn send_only(umem: &UmemHandle, name: &str, slot: u16, by: Transmit) -> XskPort {
    let config = XskConfig {
        queues: 0,
        transmit: by,
        ..XskConfig::new(name, link(name).ifindex, PortId(slot))
    };
    let mut port = XskPort::bind(umem, config).unwrap();
    assert_eq!((port.fds().count(), port.xsk_fds().count(), port.rx_waiting()), (0, 0, 0));
    port
}

#[test]
fn one_umem_serves_sockets_in_both_namespaces() {
    in_host(|bed| {
        let identity = Identity::new(CONTROL.as_ref()).unwrap();
        let _cleanup = Cleanup(identity);
        let pair = Pair::ensure(identity, 3).unwrap();
        bed.add_guest("vm1", "v1");
        bed.add_guest("vm2", "v2");
        let mut inside = Inside::new(&pair);
        for port in &mut inside.ports {
            port.refill(&mut inside.pool);
        }
        assert_eq!(inside.pool.census().fill, 1024);

        // What goes into w0 is received at w1 on its queue, and leaves by a port. Generic XDP takes a
        // sent frame's queue for that of a received one, which is counted from 1 with 0 as none.
        let mut entries: Vec<XskPort> = (0..2)
            .map(|queue| {
                let config = XskConfig {
                    first_queue: queue + 1,
                    ..XskConfig::new(
                        &pair.outer.name,
                        pair.outer.ifindex,
                        PortId(10 + queue as u16),
                    )
                };
                XskPort::bind(&inside.umem, config).unwrap()
            })
            .collect();
        let exits = [("vm1", "v1", Transmit::Ring), ("vm2", "v2", Transmit::Line)];
        for (slot, (guest, name, by)) in exits.into_iter().enumerate() {
            let (counter, _attached) = counting(bed, guest);
            let mut exit = send_only(&inside.umem, name, 20 + slot as u16, by);
            exit.refill(&mut inside.pool);
            for round in 0..100_u8 {
                let queue = usize::from(round % 2);
                let mut bytes = [round; 100];
                bytes[..6].fill(0xff);
                let packet = inside.pool.compose(&bytes, &Meta::default()).unwrap();
                inside.send(&mut entries[queue], packet);
                let packet = inside.receive(queue);
                assert_eq!(inside.pool.head(&packet), bytes);
                inside.send(&mut exit, packet);
            }
            wait_for("the guest to have them all", || counter.total().unwrap() >= 100);
            assert_eq!(counter.total().unwrap(), 100);
            assert_eq!(exit.stats().tx_packets, 100);
            let mut none = Vec::with_capacity(8);
            assert_eq!(exit.receive(&mut inside.pool, &mut none, 8), 0);

            // Down, and up again.
            bed.host(&format!("ip link set {name} down"));
            let packet = inside.pool.compose(&[0xff; 60], &Meta::default()).unwrap();
            exit.send(&mut inside.pool, packet).unwrap();
            assert_eq!(exit.kick(&mut inside.pool), weir_port::Kick::Down);
            bed.host(&format!("ip link set {name} up"));
            wait_for("the port to be up", || {
                exit.kick(&mut inside.pool);
                exit.complete(&mut inside.pool);
                exit.tx_outstanding() == 0
            });
            wait_for("what waited to arrive", || counter.total().unwrap() == 101);
        }
        drop(entries);
        let Inside { mut pool, ports, umem, _program } = inside;
        drop((ports, umem));
        for slot in 0..30 {
            pool.reclaim(PortId(slot));
        }
        let census = pool.census();
        assert_eq!(census.free, census.total, "{census:?}");
    });
}

/// The memory must not depend on a device that can be deleted.
#[test]
fn the_umem_outlives_the_pair() {
    in_host(|bed| {
        let identity = Identity::new(CONTROL.as_ref()).unwrap();
        let _cleanup = Cleanup(identity);
        let pair = Pair::ensure(identity, 2).unwrap();
        let mut inside = Inside::new(&pair);
        bed.host(&format!("ip link del {}", pair.outer.name));
        drop(pair);
        for port in inside.ports.drain(..) {
            let slot = port.slot();
            port.close();
            inside.pool.reclaim(slot);
        }
        let pair = Pair::ensure(identity, 2).unwrap();
        assert!(!pair.adopted);
        let inner = pair.inner.clone();
        let config = XskConfig::new(&inner.name, inner.ifindex, PortId(0));
        let umem = inside.umem.clone();
        let again = pair.netns.enter(|| XskPort::bind(&umem, config)).unwrap().unwrap();
        bed.add_guest("vm1", "v1");
        let exit = send_only(&umem, "v1", 20, Transmit::Ring);
        drop((again, exit));
    });
}

/// Kilobytes that a line of a file in /proc speaks of.
fn kilobytes(path: &str, field: &str) -> i64 {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// What a port that only sends costs, by socket and by line: for the journal, not for every run.
#[test]
#[ignore = "a measurement: --ignored --nocapture, with nothing else running"]
fn cost_of_a_hundred_send_only_ports() {
    const PORTS: u16 = 100;
    in_host(|bed| {
        for n in 0..PORTS {
            bed.host(&format!("ip link add a{n} type veth peer name b{n}"));
            bed.host(&format!("ip link set a{n} up"));
        }
        for frames in [8 * 1024, 32 * 1024, 128 * 1024] {
            let (_pool, umem) = Pool::umem(frames).unwrap();
            let line = (Transmit::Line, 2048);
            for (by, tx_ring) in [(Transmit::Ring, 2048), (Transmit::Ring, 256), line] {
                let memory = || {
                    let own = kilobytes("/proc/self/status", "VmRSS:");
                    (own, kilobytes("/proc/meminfo", "MemFree:"))
                };
                let before = memory();
                let configs: Vec<_> = (0..PORTS)
                    .map(|n| {
                        let name = format!("a{n}");
                        let index = link(&name).ifindex;
                        XskConfig {
                            queues: 0,
                            transmit: by,
                            tx_ring,
                            ..XskConfig::new(name, index, PortId(n))
                        }
                    })
                    .collect();
                let start = Instant::now();
                let ports: Vec<_> = configs
                    .into_iter()
                    .map(|config| XskPort::bind(&umem, config).unwrap())
                    .collect();
                let took = start.elapsed();
                let after = memory();
                let each = |kilobytes: i64| kilobytes / i64::from(PORTS);
                let start = Instant::now();
                drop(ports);
                println!(
                    "{frames} frames, {by:?} of {tx_ring}: {} kB resident, {} kB of the machine, \
                     {:?} to bind, {:?} to close, each",
                    each(after.0 - before.0),
                    each(before.1 - after.1),
                    took / u32::from(PORTS),
                    start.elapsed() / u32::from(PORTS)
                );
                // The kernel gives the memory back a little later.
                let back = || kilobytes("/proc/meminfo", "MemFree:") > before.1 - 20_000;
                let deadline = Instant::now() + Duration::from_secs(10);
                while !back() && Instant::now() < deadline {
                    std::thread::yield_now();
                }
            }
        }
    });
}

/// What a frame costs that leaves by a ring, and one that leaves by a line: likewise.
#[test]
#[ignore = "a measurement: --ignored --nocapture, with nothing else running"]
fn cost_of_a_frame_by_ring_and_by_line() {
    use nix::time::{ClockId, clock_gettime};
    const BATCHES: u32 = 2000;
    const BATCH: u32 = 64;
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        bed.add_guest("vm2", "v2");
        let guests = [counting(bed, "vm1"), counting(bed, "vm2")];
        let (mut pool, umem) = Pool::umem(FRAMES).unwrap();
        let mut ports =
            [send_only(&umem, "v1", 1, Transmit::Ring), send_only(&umem, "v2", 2, Transmit::Line)];
        for len in [60, 1458] {
            let mut ratios = Vec::new();
            for _ in 0..7 {
                let mut costs = ports.each_mut().map(|port| {
                    let before = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
                    for _ in 0..BATCHES {
                        for _ in 0..BATCH {
                            let packet = pool.compose(&vec![0xff; len], &Meta::default()).unwrap();
                            port.send(&mut pool, packet).unwrap();
                        }
                        while port.tx_outstanding() > 0 {
                            port.kick(&mut pool);
                            port.complete(&mut pool);
                        }
                    }
                    let after = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
                    Duration::from(after - before) / (BATCHES * BATCH)
                });
                ratios.push(costs[1].as_secs_f64() / costs[0].as_secs_f64());
                costs.sort();
                println!(
                    "{len} bytes: {costs:?} a frame, line / ring {:.3}",
                    ratios.last().unwrap()
                );
            }
            ratios.sort_by(f64::total_cmp);
            println!("{len} bytes: median of line / ring {:.3}", ratios[3]);
        }
        for (counter, _) in &guests {
            println!("{} arrived", counter.total().unwrap());
        }
    });
}
