//! What the model knows of the machine: the words that gate, worker and control side share, and where each
//! frame is.
//! Invariant: a frame that was sent is in exactly one place, until it is delivered or lost.

use super::gate::Gate;

pub(crate) const CPUS: usize = 2;
/// The largest [`Rules::window`](super::rules::Rules::window).
pub(crate) const WINDOW: u8 = 4;
/// The number of each frame that the same source sends to its other destination, on either CPU.
pub(crate) const OTHER: u8 = u8::MAX;
/// The most frames that the worker has sent and not yet added to DONE.
pub(crate) const UNTOLD: u8 = 2;
/// The most frames that are lost and not yet known to be.
pub(crate) const LOST: u8 = 1;

const QUEUE: usize = WINDOW as usize + 1;

pub(crate) fn is_of_flow(frame: u8) -> bool {
    frame != OTHER
}

/// What the tables say of a frame's destination when the gate looks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Told {
    /// Nothing: its frames are the bridge's, and the gate counts them.
    Unknown,
    /// That it is behind a port that is not the gate's: its frames are the bridge's, and are not counted.
    Elsewhere,
    /// That its frames go by a worker.
    Scheduled,
    /// That they may go by the express lane.
    Express,
}

impl Told {
    pub(crate) fn is_the_bridges(self) -> bool {
        matches!(self, Self::Unknown | Self::Elsewhere)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "receives, told: unknown address",
            Self::Elsewhere => "receives, told: address elsewhere",
            Self::Scheduled => "receives, told: by a worker",
            Self::Express => "receives, told: express lane open",
        }
    }
}

/// The source's words in shared memory, and one of the worker's own: `came`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Words {
    pub(crate) steered: u8,
    pub(crate) done: u8,
    pub(crate) bridged: u8,
    pub(crate) cleared: u8,
    /// Steered frames that came out of the ring, or are known to be lost before it.
    pub(crate) came: u8,
}

/// What stands in a CPU's backlog.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Item {
    Frame(u8),
    Fence,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) gate: Gate,
    pub(crate) backlog: Queue<Item>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Worker {
    /// Frames, each with its mark: whether the source had frames at the bridge when it was steered.
    pub(crate) ring: Queue<(u8, bool)>,
    /// Frames, each with the count that CLEARED has to reach before it may go on.
    pub(crate) held: Queue<(u8, u8)>,
    pub(crate) queued: Queue<u8>,
    /// A frame for the other destination: its queue and `queued` do not wait for each other.
    pub(crate) queued_other: bool,
    /// Frames that the worker has yet to add to DONE.
    pub(crate) untold: u8,
}

/// The thread that finds out what has left the backlogs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Clearing {
    #[default]
    Idle,
    /// The count that it has read, the round, and how many CPUs it has visited in that round.
    Round { bridged: u8, round: u8, visited: u8 },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct State {
    /// The destination is behind a port that is not the gate's.
    pub(crate) elsewhere: bool,
    /// The control side has begun a change, and has yet to store it.
    pub(crate) changing: bool,
    pub(crate) words: Words,
    pub(crate) cpus: [Cpu; CPUS],
    pub(crate) worker: Worker,
    pub(crate) clearing: Clearing,
    /// The next frame of the flow.
    pub(crate) next: u8,
    /// One above the highest number of a frame that was delivered out of a backlog.
    pub(crate) arrived: u8,
    /// The same for frames that gate or worker delivered without a backlog.
    pub(crate) handed: u8,
}

impl State {
    /// Puts a frame into a CPU's backlog.
    pub(crate) fn stands_at(&mut self, cpu: usize, frame: u8) {
        self.cpus[cpu].backlog.push(Item::Frame(frame));
    }

    pub(crate) fn is_at_gate(&self, is: impl Fn(u8) -> bool) -> bool {
        self.cpus.iter().any(|cpu| cpu.gate.frame().is_some_and(&is))
    }

    pub(crate) fn is_at_worker(&self, is: impl Fn(u8) -> bool) -> bool {
        let Worker { ring, held, queued, queued_other, .. } = &self.worker;
        ring.iter().any(|(frame, _)| is(frame))
            || held.iter().any(|(frame, _)| is(frame))
            || queued.iter().any(&is)
            || *queued_other && is(OTHER)
    }

    /// Steered frames that are neither in the ring nor on their way there, and that the worker has not yet
    /// counted as lost.
    pub(crate) fn lost(&self) -> u8 {
        let missing = self.words.steered.wrapping_sub(self.words.came);
        let steering = self.cpus.iter().filter(|cpu| cpu.gate.is_steering()).count();
        missing.wrapping_sub((steering + self.worker.ring.iter().count()) as u8)
    }

    /// Nothing is under way, and the words that the gate reads say so.
    pub(crate) fn is_at_rest(&self) -> bool {
        let Words { steered, done, bridged, cleared, .. } = self.words;
        self.cpus == [Cpu::default(); CPUS]
            && self.worker == Worker::default()
            && self.clearing == Clearing::Idle
            && (steered, bridged, false) == (done, cleared, self.changing)
    }

    /// A bound on the steps that the machine can still make by itself: each step lowers it.
    pub(crate) fn ahead(&self) -> u32 {
        const CLEARING: u32 = 16;
        let Words { steered, bridged, cleared, came, .. } = self.words;
        let Worker { ring, held, queued, queued_other, untold } = &self.worker;
        let cpus = self.cpus.iter().map(|cpu| cpu.gate.ahead() + cpu.backlog.len());
        let worker = u32::from(*untold)
            + 3 * (queued.len() + u32::from(*queued_other))
            + 4 * held.len()
            + 6 * ring.len();
        let spent = match self.clearing {
            Clearing::Idle => 0,
            Clearing::Round { round, visited, .. } => {
                1 + 5 * u32::from(round) + 2 * u32::from(visited)
            }
        };
        let uncleared = CLEARING * u32::from(bridged.wrapping_sub(cleared));
        let lost = steered.wrapping_sub(came).cast_signed().unsigned_abs();
        let rest = u32::from(lost) + u32::from(self.changing);
        cpus.sum::<u32>() + worker + rest + uncleared - spent
    }
}

/// First in, first out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Queue<T>([Option<T>; QUEUE]);

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self([const { None }; QUEUE])
    }
}

impl<T: Copy> Queue<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    pub(crate) fn len(&self) -> u32 {
        self.iter().count() as u32
    }

    pub(crate) fn first(&self) -> Option<T> {
        self.0[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        self.0.iter().copied().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten()
    }

    pub(crate) fn push(&mut self, item: T) {
        *self.0.iter_mut().find(|place| place.is_none()).unwrap() = Some(item);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let first = self.0[0].take();
        self.0.rotate_left(1);
        first
    }
}
