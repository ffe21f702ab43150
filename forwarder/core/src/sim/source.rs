//! Sources: what they send, how much, and when. Invariant: a source uses only its own random numbers, so
//! adding one leaves the others unchanged.

use crate::Span;

/// The seed of all numbers of a scenario.
pub(super) const SEED: u64 = 1;

/// splitmix64: small, and good enough to spread sizes and times.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of one of a seed's independent streams.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Size {
    Fixed(u32),
    /// Both ends included.
    Uniform(u32, u32),
}

#[derive(Clone, Copy, Debug)]
pub enum Pattern {
    /// Evenly spaced packets.
    Cbr { packets_per_s: u64 },
    /// Bursts at regular intervals; the packets of a burst come at once.
    Bursts { packets: u32, every: Span },
    /// As many packets as the port's receive ring takes, up to this number a turn; never overflows the ring.
    Greedy { packets_per_turn: usize },
    /// Evenly spaced while on; both times vary between half and one and a half of these values.
    OnOff { packets_per_s: u64, on: Span, off: Span },
    /// A closed loop: the machine at the other end answers with a packet of `answer` bytes, and the next
    /// request is sent `think` after that. If the request or its answer is lost, the request is repeated
    /// after 200 ms.
    Requests { answer: u32, think: Span },
}

#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub from: usize,
    pub to: usize,
    pub size: Size,
    pub pattern: Pattern,
}

/// The time after which an unanswered request is repeated.
const RETRY_NS: u64 = 200_000_000;

/// A running source.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) source: Source,
    random: Random,
    due_ns: u64,
    on_until_ns: u64,
}

impl Running {
    pub(super) fn new(source: Source, stream: u64) -> Self {
        let mut random = Random::new(SEED, stream);
        // Sources do not all start at the same instant.
        let due_ns = random.below(100_000);
        Self { source, random, due_ns, on_until_ns: 0 }
    }

    pub(super) fn size(&mut self) -> u32 {
        match self.source.size {
            Size::Fixed(bytes) => bytes,
            Size::Uniform(low, high) => {
                low + self.random.below(u64::from(high.saturating_sub(low)) + 1) as u32
            }
        }
    }

    /// The machine that runs this closed loop received its answer.
    pub(super) fn wait(&mut self, at_ns: u64, think: Span) {
        self.due_ns = at_ns.saturating_add(think.ns);
    }

    /// Calls `emit` with the time of each packet that is due by `now`. `room` is the free space of the
    /// receive ring, which only a greedy source uses.
    pub(super) fn due(&mut self, now: u64, room: usize, mut emit: impl FnMut(&mut Self, u64)) {
        match self.source.pattern {
            Pattern::Greedy { packets_per_turn } => {
                for _ in 0..packets_per_turn.min(room) {
                    emit(self, now);
                }
            }
            Pattern::Cbr { packets_per_s } => {
                while self.due_ns <= now {
                    emit(self, self.due_ns);
                    self.due_ns += gap(packets_per_s);
                }
            }
            Pattern::Requests { .. } => {
                if self.due_ns <= now {
                    emit(self, self.due_ns);
                    self.due_ns = now + RETRY_NS;
                }
            }
            Pattern::Bursts { packets, every } => {
                while self.due_ns <= now {
                    for _ in 0..packets {
                        emit(self, self.due_ns);
                    }
                    self.due_ns += every.ns.max(1);
                }
            }
            Pattern::OnOff { packets_per_s, on, off } => {
                while self.due_ns <= now {
                    if self.due_ns >= self.on_until_ns {
                        // The off time is over; the next on time begins.
                        let on_ns = self.about(on);
                        self.on_until_ns = self.due_ns + on_ns;
                    }
                    emit(self, self.due_ns);
                    self.due_ns += gap(packets_per_s);
                    if self.due_ns >= self.on_until_ns {
                        self.due_ns += self.about(off);
                    }
                }
            }
        }
    }

    fn about(&mut self, span: Span) -> u64 {
        span.ns / 2 + self.random.below(span.ns) + 1
    }
}

fn gap(packets_per_s: u64) -> u64 {
    (1_000_000_000 / packets_per_s.max(1)).max(1)
}
