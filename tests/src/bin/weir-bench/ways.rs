//! How what was scheduled leaves a worker: four ways out, each offered frames flat out by one loop.
//!
//! - `ring`: an AF_XDP socket on the host's end of each guest's veth
//! - `packet`: a packet socket there, many frames to a call
//! - `pair`: one AF_XDP socket on the inner end of a pair of our own; every frame has a tag that names
//!   its egress, which a program at the outer end takes off and obeys by `bpf_redirect`
//! - `pair-peer`: the same by `bpf_redirect_peer`
//!
//! Invariant: a way is measured only after every guest has received its own frames by it, without the
//! tag, and nobody else's; what was handed over and did not arrive is held against the devices' drop
//! counters once nothing is under way any more.

use crate::Plan;
use crate::report::{Report, Sample};
use anyhow::{Context, Result, anyhow, ensure};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use system_tests::bed::{Family, GUEST_IF};
use system_tests::cpu::{self, Busy, ThreadTime};
use system_tests::ns::ip_batch;
use system_tests::traffic::raw;
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Guest, Ns};
use weir_abi::Meta;
use weir_core::PortId;
use weir_port::rawprog::Attached;
use weir_port::{Kick, Pool, Port, Refused, Transmit, XskConfig, XskPort};

const CORE: usize = 1;
const GUESTS: [u8; 2] = [1, 8];
/// Of a frame, without the trailer and without the tag of the pair.
const SIZES: [usize; 2] = [64, 1458];
/// Ethernet, IPv4 and UDP.
const HEADERS: usize = 14 + 20 + 8;
const UDP_PORT: u16 = 9000;
const TPID: u16 = 0x8100;
/// A full frame with a tag has to fit.
const PAIR_MTU: u32 = 9000;
/// UMEM frames.
const FRAMES: u32 = 4096;
/// Offered between two looks at the devices: a worker's burst.
const BATCH: usize = 128;
/// Before measuring guest N is sent N times as many.
const PROOF: u64 = 20;
const WARM_UP: Duration = Duration::from_millis(300);
/// For what is under way, once no more is offered.
const SOON: Duration = Duration::from_secs(2);
/// The loop ends by itself, whatever becomes of who watches it.
const SPARE: Duration = Duration::from_secs(10);

/// The last three are of all frames from the first to the last, not only while measuring. Lost is what
/// was handed over and did not arrive; unexplained, what of that no device says it has dropped. Below
/// 0 the guests received what is not ours.
const FIGURES: [&str; 6] =
    ["mpps", "cpu_us_per_packet", "sender_us_per_packet", "handed_over", "lost", "unexplained"];
/// The first of them over the ring's in the same round.
const TO_RING: [&str; 3] = ["mpps_to_ring", "cpu_to_ring", "sender_to_ring"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Ring,
    Packet,
    Pair,
    PairPeer,
}

/// The one that the others are compared with first.
const ALL: [Way; 4] = [Way::Ring, Way::Packet, Way::Pair, Way::PairPeer];

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Packet => "packet",
            Self::Pair => "pair",
            Self::PairPeer => "pair-peer",
        }
    }

    const fn by_pair(self) -> bool {
        matches!(self, Self::Pair | Self::PairPeer)
    }
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    for round in 1..=plan.rounds {
        for (guests, size) in GUESTS.iter().flat_map(|n| SIZES.map(|size| (*n, size))) {
            let case = format!("ways {size} B to {guests}");
            report.base(&case, Way::Ring.name());
            let mut ring = None;
            for way in ALL.into_iter().filter(|way| plan.wants(way.name())) {
                let run = Scene::new(way, guests, size)
                    .and_then(|scene| scene.run(plan.time))
                    .with_context(|| format!("{case} by {}", way.name()))?;
                let mut values: Vec<_> = FIGURES.into_iter().zip(run).collect();
                if way == Way::Ring {
                    ring = Some(run);
                } else if let Some(ring) = ring {
                    let ratios = TO_RING.into_iter().zip(run).zip(ring);
                    values.extend(ratios.map(|((name, ours), ring)| (name, ours / ring)));
                }
                let sample = Sample { case: case.clone(), peer: way.name(), round, values };
                report.add(plan.rounds, sample);
            }
        }
    }
    Ok(())
}

/// A pair whose inner end is in a namespace of its own.
struct Pair {
    inside: Ns,
    _program: Attached,
}

impl Pair {
    fn new(bed: &Bed, peer: bool) -> Result<Self> {
        let host = bed.host.name();
        // A name that tells whose it is, as the host's does.
        let inside = Ns::create(&format!("{host}w"))?;
        let one = format!("mtu {PAIR_MTU} numrxqueues 1 numtxqueues 1");
        let make =
            format!("link add w0 {one} type veth peer name w1 netns {} {one}", inside.name());
        let up = |end| [format!("link set {end} addrgenmode none"), format!("link set {end} up")];
        ip_batch(Some(host), &[&[make][..], &up("w0")].concat())?;
        ip_batch(Some(inside.name()), &up("w1"))?;
        let way = |guest: &Guest| Ok((u16::from(guest.number), bed.host.ifindex(&guest.port)?));
        let ways: Vec<(u16, u32)> = bed.guests.iter().map(way).collect::<Result<_>>()?;
        let outer = bed.host.ifindex("w0")?;
        let attach = || Attached::by_tag(outer, &ways, peer).context("the program at w0");
        Ok(Self { _program: bed.host.run(attach)?, inside })
    }
}

/// Drops from the top: what sends goes before what it sends to.
struct Scene {
    way: Way,
    size: usize,
    pair: Option<Pair>,
    /// Bound, so that no ICMP comes back; read once.
    sinks: Vec<UdpSocket>,
    bed: Bed,
}

impl Scene {
    fn new(way: Way, guests: u8, size: usize) -> Result<Self> {
        let bed = BedSpec::vms(guests).build()?;
        let sink = |guest: &Guest| {
            let socket =
                guest.ns.run(|| Ok(UdpSocket::bind(guest.socket(Family::V4, UDP_PORT))?))?;
            socket.set_read_timeout(Some(SOON))?;
            Ok::<_, anyhow::Error>(socket)
        };
        let sinks = bed.guests.iter().map(sink).collect::<Result<_>>()?;
        let pair = way.by_pair().then(|| Pair::new(&bed, way == Way::PairPeer)).transpose()?;
        Ok(Self { way, size, pair, sinks, bed })
    }

    /// Frames that the guests have received, and those that were dropped on the way to them.
    fn arrived(&self) -> Result<[u64; 2]> {
        let (host, mut frames, mut dropped) = (self.bed.host.counters()?, 0, 0);
        for guest in &self.bed.guests {
            let there = guest.ns.counter(GUEST_IF)?;
            frames += there.rx_packets;
            dropped += there.rx_dropped;
            dropped += host.get(&guest.port).map_or(0, |port| port.tx_dropped);
        }
        if let Some(pair) = &self.pair {
            // What w0's backlog has no room for is counted at both ends.
            dropped += pair.inside.counter("w1")?.tx_dropped;
        }
        Ok([frames, dropped])
    }

    /// As [`FIGURES`] says.
    fn run(&self, time: Duration) -> Result<[f64; 6]> {
        let (over, ran, at_first) =
            (AtomicBool::new(false), ThreadTime::default(), self.arrived()?);
        let (proven, proof) = mpsc::channel();
        let place = self.pair.as_ref().map_or(&self.bed.host, |pair| &pair.inside);
        let (sampled, handed) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                place.run(|| {
                    cpu::pin(CORE);
                    let mut sender = Sender::new(self)?;
                    self.prove(&mut sender)?;
                    ran.begin();
                    let _ = proven.send(());
                    // Moved in here: after an error before, nobody waits for it in vain.
                    drop(proven);
                    let give_up = Instant::now() + WARM_UP + time + SPARE;
                    while !over.load(Ordering::Relaxed) && Instant::now() < give_up {
                        sender.turn()?;
                    }
                    ran.end();
                    sender.settle()?;
                    Ok(sender.handed)
                })
            });
            let sampled = proof.recv().ok().map(|()| self.window(time, &ran));
            over.store(true, Ordering::Relaxed);
            let handed = sender.join().map_err(|_| anyhow!("the loop panicked"))??;
            Ok::<_, anyhow::Error>((sampled.context("the loop has not begun")??, handed))
        })?;
        // The guests' polls end in their own time.
        let mut since = [0; 2];
        let _ = wait_ok(SOON, "the rest to arrive", || {
            let now = self.arrived()?;
            since = std::array::from_fn(|i| now[i] - at_first[i]);
            ensure!(since[0] + since[1] >= handed);
            Ok(())
        });
        let ([mpps, cpu_us, sender_us], [arrived, dropped]) = (sampled, since.map(|n| n as f64));
        let (handed, lost) = (handed as f64, handed as f64 - arrived);
        Ok([mpps, cpu_us, sender_us, handed, lost, lost - dropped])
    }

    /// Rate, and what a delivered frame costs the machine and the loop, while the loop runs.
    fn window(&self, time: Duration, ran: &ThreadTime) -> Result<[f64; 3]> {
        std::thread::sleep(WARM_UP);
        let look = || Ok::<_, anyhow::Error>((Instant::now(), self.arrived()?, Busy::now()?));
        let ((start, [arrived_0, _], busy_0), ran_0) = (look()?, ran.so_far());
        std::thread::sleep(time);
        let ((end, [arrived_1, _], busy_1), ran_1) = (look()?, ran.so_far());
        let delivered = (arrived_1 - arrived_0) as f64;
        let each = |cost: Duration| cost.as_secs_f64() * 1e6 / delivered.max(1.0);
        let seconds = (end - start).as_secs_f64();
        Ok([delivered / seconds / 1e6, each(busy_1.since(&busy_0)), each(ran_1 - ran_0)])
    }

    /// Sends every guest another number of frames, which it receives, whole.
    fn prove(&self, sender: &mut Sender) -> Result<()> {
        let received = || -> Result<Vec<u64>> {
            let guests = self.bed.guests.iter();
            guests.map(|guest| Ok(guest.ns.counter(GUEST_IF)?.rx_packets)).collect()
        };
        let before = received()?;
        for nth in 0..self.bed.guests.len() {
            for _ in 0..PROOF * (nth as u64 + 1) {
                ensure!(sender.offer(nth)?, "the way is full after {} frames", sender.handed);
            }
            sender.settle()?;
        }
        wait_ok(SOON, "every guest to receive its own frames", || {
            for (nth, (now, then)) in received()?.iter().zip(&before).enumerate() {
                // Less than a step of something else does not matter.
                let (got, due) = (now - then, PROOF * (nth as u64 + 1));
                ensure!((due..due + PROOF).contains(&got), "guest {nth} received {got} of {due}");
            }
            Ok(())
        })?;
        for (sink, guest) in self.sinks.iter().zip(&self.bed.guests) {
            let mut bytes = [0; 2048];
            let len = sink.recv(&mut bytes).with_context(|| guest.port.clone())?;
            ensure!(bytes.get(..len) == Some(&payload(guest, self.size)[..]), "{}", guest.port);
        }
        Ok(())
    }
}

fn payload(guest: &Guest, size: usize) -> Vec<u8> {
    vec![guest.number; size - HEADERS]
}

/// The loop of a worker that has nothing else to do.
struct Sender {
    pool: Pool,
    ports: Vec<XskPort>,
    /// For each guest the number of its port, and its frame.
    frames: Vec<(usize, Vec<u8>)>,
    next: usize,
    meta: Meta,
    handed: u64,
}

impl Sender {
    /// In the namespace of the sockets.
    fn new(scene: &Scene) -> Result<Self> {
        let (pool, umem) = Pool::umem(FRAMES)?;
        let (way, guests) = (scene.way, &scene.bed.guests);
        let by = if way == Way::Packet { Transmit::Line } else { Transmit::Ring };
        let names: Vec<&str> = match way.by_pair() {
            true => vec!["w1"],
            false => guests.iter().map(|guest| guest.port.as_str()).collect(),
        };
        let mut ports = Vec::new();
        for (nth, name) in names.into_iter().enumerate() {
            let ifindex = nix::net::if_::if_nametoindex(name)?;
            let config = XskConfig::send_only(name, ifindex, PortId(nth as u16), by);
            let mtu = if way.by_pair() { PAIR_MTU } else { config.mtu };
            ports.push(XskPort::bind(&umem, XskConfig { mtu, ..config })?);
        }
        let up = &scene.bed.uplink;
        let frame = |(nth, guest): (usize, &Guest)| {
            let tag = [(TPID, u16::from(guest.number))];
            let (port, tags) = if way.by_pair() { (0, &tag[..]) } else { (nth, &[][..]) };
            let body = raw::udp4(up, guest, (9, UDP_PORT), &payload(guest, scene.size));
            (port, raw::frame(guest.mac(), up.mac(), tags, 0x0800, &body))
        };
        let frames = guests.iter().enumerate().map(frame).collect();
        Ok(Self { pool, ports, frames, next: 0, meta: Meta::default(), handed: 0 })
    }

    /// A frame to this guest; false if there is no room for it now.
    fn offer(&mut self, nth: usize) -> Result<bool> {
        let (port, bytes) = self.frames.get(nth).context("no such guest")?;
        let Some(packet) = self.pool.compose(bytes, &self.meta) else { return Ok(false) };
        let port = self.ports.get_mut(*port).context("no such port")?;
        let (packet, lost) = match port.send(&mut self.pool, packet) {
            Ok(()) => {
                self.handed += 1;
                return Ok(true);
            }
            Err(Refused::Full(packet)) => (packet, None),
            Err(Refused::Lost(packet, reason)) => (packet, Some(reason)),
        };
        self.pool.release(packet);
        lost.map_or(Ok(false), |reason| Err(anyhow!("{}: lost, {reason:?}", port.name())))
    }

    /// A burst, in turn to every guest, and what a worker does for its ports behind it.
    fn turn(&mut self) -> Result<()> {
        for _ in 0..BATCH {
            if !self.offer(self.next)? {
                break;
            }
            self.next = (self.next + 1) % self.frames.len();
        }
        self.tend().map(drop)
    }

    /// False once everything offered was sent, or the devices have dropped it.
    fn tend(&mut self) -> Result<bool> {
        for port in &mut self.ports {
            ensure!(port.kick(&mut self.pool) != Kick::Down, "{} is down", port.name());
            port.complete(&mut self.pool);
        }
        Ok(self.ports.iter().any(|port| port.tx_outstanding() > 0))
    }

    fn settle(&mut self) -> Result<()> {
        let give_up = Instant::now() + SOON;
        while self.tend()? {
            ensure!(Instant::now() < give_up, "frames are still under way after {SOON:?}");
        }
        Ok(())
    }
}
