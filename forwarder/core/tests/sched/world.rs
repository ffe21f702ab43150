//! One link, its sources and a scheduler, run as fast as the scheduler allows. Invariant: time only advances
//! to the next event, so the simulation itself delays nothing.

use std::sync::Arc;

use weir_core::{
    CONTAINER_PACKETS, Caps, Container, Next, Packet, Policy, PortId, Rate, Scheduler,
    SchedulerSettings, Share,
};

pub(crate) const CONTAINER: u32 = 4096;
pub(crate) const EGRESS: PortId = PortId(255);

#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) len: u32,
    pub(crate) seq: u64,
    pub(crate) at_ns: u64,
}

impl Packet for Piece {
    fn len(&self) -> u32 {
        self.len
    }
    fn arrived_ns(&self) -> u64 {
        self.at_ns
    }
}

/// Deterministic, and good enough to shuffle sizes and phases.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) * u128::from(n)) >> 64) as u64
    }

    pub(crate) fn between(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(u64::from(to - from) + 1) as u32
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Sends {
    /// It always has more to send.
    Greedy,
    /// Evenly, at this many bits per second.
    Cbr { bps: f64 },
    /// At this many bits per second while it is on.
    OnOff { bps: f64, on_ns: u64, off_ns: u64 },
    /// One full container at a time, `pause_ns` after the previous one was sent: as prompt as possible.
    Single { pause_ns: u64 },
    /// Bursts of `packets` at once, every `every_ns`.
    Bursts { packets: u32, every_ns: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) share: Share,
    pub(crate) sends: Sends,
    pub(crate) sizes: (u32, u32),
}

impl Source {
    pub(crate) fn greedy(weight: u32, sizes: (u32, u32)) -> Self {
        Self { share: Share { weight, ..Share::default() }, sends: Sends::Greedy, sizes }
    }

    pub(crate) fn cbr(bps: f64, size: u32) -> Self {
        Self { sends: Sends::Cbr { bps }, ..Self::greedy(1, (size, size)) }
    }

    pub(crate) fn min(mut self, bps: u64) -> Self {
        self.share.min_rate = Some(Rate::new(bps));
        self
    }

    pub(crate) fn max(mut self, bps: u64, burst_bytes: u64) -> Self {
        self.share.max_rate = Some(Rate::new(bps));
        self.share.burst_bytes = burst_bytes;
        self
    }
}

#[derive(Debug)]
pub(crate) struct Vif {
    pub(crate) source: Source,
    random: Random,
    next_ns: f64,
    next_seq: u64,
    last_seq: u64,
    queued_containers: u64,
    pub(crate) queued_bytes: u64,
    pub(crate) offered_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) sent_packets: u64,
    pub(crate) wait_most_ns: u64,
}

/// One container that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) at_ns: u64,
    pub(crate) vif: usize,
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
}

pub(crate) struct World {
    pub(crate) scheduler: Scheduler<Piece>,
    pub(crate) now: u64,
    pub(crate) vifs: Vec<Vif>,
    /// The rate of the device, where the scheduler has none.
    pub(crate) device: Option<Rate>,
    device_free_ns: u64,
    /// What the last transmission took beyond whole nanoseconds, in parts of the device's rate: dropped each
    /// time, it would make 64 bytes at 14 Gbit/s 2 % faster.
    device_rest: u128,
    pub(crate) log: Vec<Sent>,
    /// One container in this many is put back, whole or in part; 0: none.
    pub(crate) comes_back: u64,
    random: Random,
}

impl World {
    pub(crate) fn new(policy: Policy, rate: Option<Rate>, sources: &[Source], seed: u64) -> Self {
        let settings = SchedulerSettings { policy, ..SchedulerSettings::default() };
        Self::with(settings, rate, sources, seed)
    }

    pub(crate) fn with(
        settings: SchedulerSettings,
        rate: Option<Rate>,
        sources: &[Source],
        seed: u64,
    ) -> Self {
        let caps = Arc::new(Caps::default());
        let mut scheduler = Scheduler::new(&settings, caps.clone());
        scheduler.set_link_rate(0, rate);
        let vif = |(at, source): (usize, &Source)| {
            let port = PortId(at as u16);
            caps.set(0, port, source.share.max_rate, source.share.burst_bytes);
            scheduler.set_share(0, port, &source.share);
            let mut random = Random(seed ^ (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            let next_ns = random.below(10_000) as f64;
            Vif {
                source: source.clone(),
                random,
                next_ns,
                next_seq: 0,
                last_seq: 0,
                queued_containers: 0,
                queued_bytes: 0,
                offered_bytes: 0,
                sent_bytes: 0,
                sent_packets: 0,
                wait_most_ns: 0,
            }
        };
        let vifs = sources.iter().enumerate().map(vif).collect();
        let mut world = Self {
            scheduler,
            now: 0,
            vifs,
            device: None,
            device_free_ns: 0,
            device_rest: 0,
            log: Vec::new(),
            comes_back: 0,
            random: Random(seed | 1),
        };
        world.refill();
        world
    }

    fn enqueue(&mut self, at: usize, packets: u32, join: bool) {
        let Some(vif) = self.vifs.get_mut(at) else { return };
        let mut container = Container::new(CONTAINER);
        container.open(self.now, PortId(at as u16), EGRESS);
        let (least, most) = vif.source.sizes;
        for _ in 0..packets {
            let len = vif.random.between(least, most);
            if !container.fits(u64::from(len), 1) {
                break;
            }
            vif.next_seq += 1;
            container.push(Piece { len, seq: vif.next_seq, at_ns: self.now });
        }
        vif.offered_bytes += container.bytes();
        vif.queued_bytes += container.bytes();
        if self.scheduler.enqueue(self.now, container, join).is_none() {
            vif.queued_containers += 1;
        }
    }

    /// Refills greedy vifs, so that they always have two more full containers.
    fn refill(&mut self) {
        for at in 0..self.vifs.len() {
            while let Some(vif) = self.vifs.get(at)
                && matches!(vif.source.sends, Sends::Greedy)
                && vif.queued_containers < 3
            {
                self.enqueue(at, CONTAINER_PACKETS as u32, false);
            }
        }
    }

    /// Forgets a vif whose queue was taken out; it sends nothing more.
    pub(crate) fn forget(&mut self, at: usize) {
        let vif = &mut self.vifs[at];
        vif.source.sends = Sends::Single { pause_ns: 0 };
        vif.next_ns = f64::INFINITY;
        (vif.queued_containers, vif.queued_bytes, vif.last_seq) = (0, 0, vif.next_seq);
    }

    /// Makes the vif greedy again.
    pub(crate) fn restart(&mut self, at: usize) {
        self.vifs[at].source.sends = Sends::Greedy;
        self.refill();
    }

    /// Queues what has arrived by now. Returns when the next container arrives.
    fn arrive(&mut self) -> u64 {
        let mut next = f64::INFINITY;
        for at in 0..self.vifs.len() {
            while let Some(vif) = self.vifs.get_mut(at)
                && !matches!(vif.source.sends, Sends::Greedy)
            {
                if vif.next_ns > self.now as f64 {
                    next = next.min(vif.next_ns);
                    break;
                }
                let (least, most) = vif.source.sizes;
                let gap = |bps: f64| f64::from(least + most) / 2.0 * 8e9 / bps;
                let mut packets = 1;
                if let Sends::Single { .. } = vif.source.sends {
                    vif.next_ns = f64::INFINITY;
                    self.enqueue(at, CONTAINER_PACKETS as u32, false);
                    break;
                }
                match vif.source.sends {
                    Sends::Greedy | Sends::Single { .. } => {}
                    Sends::Cbr { bps } => vif.next_ns += gap(bps),
                    Sends::OnOff { bps, on_ns, off_ns } => {
                        vif.next_ns += gap(bps);
                        if vif.next_ns % (on_ns + off_ns) as f64 >= on_ns as f64 {
                            let round = (vif.next_ns / (on_ns + off_ns) as f64).floor() + 1.0;
                            vif.next_ns = round * (on_ns + off_ns) as f64;
                        }
                    }
                    Sends::Bursts { packets: n, every_ns } => {
                        packets = n;
                        vif.next_ns += every_ns as f64;
                    }
                }
                for _ in 0..packets {
                    self.enqueue(at, 1, true);
                }
            }
        }
        next.ceil().min(1e18) as u64
    }

    /// Runs until a time, or until this many containers were sent.
    pub(crate) fn run(&mut self, until_ns: u64, containers: usize) {
        while self.now < until_ns && self.log.len() < containers {
            let arrival = self.arrive();
            let device = if self.device.is_some() { self.device_free_ns } else { 0 };
            if device > self.now {
                self.now = device.min(arrival).max(self.now + 1);
                continue;
            }
            match self.scheduler.next(self.now) {
                Next::Container(container) => self.went(container),
                Next::NotBefore(at) => {
                    assert!(at > self.now, "not before {at}, and it is {}", self.now);
                    self.now = at.min(arrival).max(self.now + 1);
                }
                Next::Empty => {
                    assert!(self.scheduler.is_empty());
                    self.now = arrival.max(self.now + 1);
                }
            }
        }
    }

    pub(crate) fn went(&mut self, mut container: Container<Piece>) {
        let at = container.ingress().index();
        let comes_back = self.comes_back != 0 && self.random.below(self.comes_back) == 0;
        let send = if comes_back { self.random.below(container.len() as u64) } else { u64::MAX };
        let Some(vif) = self.vifs.get_mut(at) else { return };
        let (mut bytes, mut packets) = (0, 0);
        while packets < send
            && let Some(piece) = container.pop()
        {
            assert_eq!(piece.seq, vif.last_seq + 1, "of vif {at}");
            vif.last_seq = piece.seq;
            bytes += u64::from(piece.len);
            packets += 1;
            vif.wait_most_ns = vif.wait_most_ns.max(self.now - piece.at_ns);
        }
        vif.queued_bytes -= bytes;
        vif.sent_bytes += bytes;
        vif.sent_packets += packets;
        if container.is_empty() {
            vif.queued_containers -= 1;
            if let Sends::Single { pause_ns } = vif.source.sends {
                vif.next_ns = (self.now + pause_ns) as f64;
            }
        } else {
            self.scheduler.put_back(self.now, container);
        }
        if packets != 0 {
            self.log.push(Sent { at_ns: self.now, vif: at, bytes, packets });
        }
        if let Some(device) = self.device {
            let rate = u128::from(device.bits_per_s);
            let time = u128::from(bytes) * 8_000_000_000 + self.device_rest;
            self.device_free_ns = self.now + (time / rate) as u64;
            self.device_rest = time % rate;
        }
        self.refill();
        let queued: u64 = self.vifs.iter().map(|vif| vif.queued_bytes).sum();
        assert_eq!(self.scheduler.is_empty(), queued == 0);
    }

    /// Drains the scheduler and checks that what was offered came out of `next` or `drain` once and in order.
    pub(crate) fn end(mut self) {
        while let Some(mut container) = self.scheduler.drain() {
            let vif = &mut self.vifs[container.ingress().index()];
            while let Some(piece) = container.pop() {
                assert_eq!(piece.seq, vif.last_seq + 1);
                vif.last_seq = piece.seq;
                vif.queued_bytes -= u64::from(piece.len);
            }
        }
        assert!(self.scheduler.is_empty());
        for vif in &self.vifs {
            assert_eq!((vif.queued_bytes, vif.last_seq), (0, vif.next_seq));
        }
    }
}
