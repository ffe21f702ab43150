//! What passes between workers: containers for each other's ports, and what is returned for them.
//!
//! Invariant: between two workers there is one ring for each direction and kind, each with one writer and one
//! reader. What does not fit stays with the writer.
//!
//! ```text
//!            containers ──────────────►
//!   worker a ◄────────── empty containers   worker b
//!            ◄────────── freed frames
//!            (and the same the other way round)
//! ```

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use rtrb::{Consumer, Producer, PushError, RingBuffer};
use weir_core::{Container, Handed, PortId, invariant};
use weir_port::{Packet, Pool};

use super::sleep::{ASLEEP, ASLEEP_IN_NEED, Doorbell};

/// Containers in one ring: a few turns' worth of a worker at full speed.
const CONTAINERS: usize = 512;
/// Freed frames being returned; any that do not fit wait at the worker that freed them.
const FRAMES: usize = 32 * 1024;
/// The number of returned frames for which a worker without frames is woken: a batch of a refill. For fewer
/// it checks by itself, within a round of chores, so single frames cost no wake-up.
const WORTH_A_BELL: usize = 64;

/// One worker's ends of the rings that it shares with another.
#[derive(Debug)]
struct Line {
    containers: Producer<Container<Packet>>,
    arriving: Consumer<Container<Packet>>,
    empties: Producer<Container<Packet>>,
    returned: Consumer<Container<Packet>>,
    frames: Producer<u32>,
    freed_frames: Consumer<u32>,
    /// The charges of the containers in `containers`, as far as this worker knows, oldest first; `None` for
    /// those of removed ports.
    on_the_way: VecDeque<Option<Handed>>,
    /// All packets ever put into `containers`.
    handed_over: u64,
    /// All packets ever taken out of `arriving`.
    taken_over: u64,
    /// A container was handed over since the other worker's bell was last considered.
    handed_since_bell: bool,
    /// Frames were returned since then. Emptied containers need no bell: a worker that sleeps fills none.
    freed_since_bell: bool,
}

/// One worker's ends of all rings.
#[derive(Debug)]
pub struct Peers {
    /// This worker's index.
    pub(super) index: usize,
    /// The bells of all workers.
    pub(super) bells: Arc<[Doorbell]>,
    /// By the other worker's index; this worker's own place is empty.
    lines: Vec<Option<Line>>,
}

/// Makes the rings between this many workers. Returns each worker's ends.
pub fn peers(workers: usize) -> io::Result<Vec<Peers>> {
    let bells: Arc<[Doorbell]> =
        (0..workers).map(|_| Doorbell::new()).collect::<io::Result<Vec<_>>>()?.into();
    let mut all: Vec<Peers> = (0..workers)
        .map(|index| Peers {
            index,
            bells: Arc::clone(&bells),
            lines: (0..workers).map(|_| None).collect(),
        })
        .collect();
    for a in 0..workers {
        for b in a + 1..workers {
            let (containers_a, containers_b) = rings(CONTAINERS);
            let (empties_a, empties_b) = rings(CONTAINERS);
            let (frames_a, frames_b) = rings(FRAMES);
            let one = Line::new(containers_a, empties_a, frames_a);
            let other = Line::new(containers_b, empties_b, frames_b);
            for (here, there, line) in [(a, b, one), (b, a, other)] {
                if let Some(place) = all.get_mut(here).and_then(|peers| peers.lines.get_mut(there))
                {
                    *place = Some(line);
                }
            }
        }
    }
    Ok(all)
}

/// One worker's ends of two rings, one for each direction.
type Ends<T> = (Producer<T>, Consumer<T>);

/// Makes the two rings between two workers. Returns each worker's ends.
fn rings<T>(places: usize) -> (Ends<T>, Ends<T>) {
    let (to_b, from_a) = RingBuffer::new(places);
    let (to_a, from_b) = RingBuffer::new(places);
    ((to_b, from_b), (to_a, from_a))
}

impl Line {
    fn new(
        (containers, arriving): Ends<Container<Packet>>,
        (empties, returned): Ends<Container<Packet>>,
        (frames, freed_frames): Ends<u32>,
    ) -> Self {
        Self {
            containers,
            arriving,
            empties,
            returned,
            frames,
            freed_frames,
            on_the_way: VecDeque::with_capacity(CONTAINERS),
            handed_over: 0,
            taken_over: 0,
            handed_since_bell: false,
            freed_since_bell: false,
        }
    }
}

impl Peers {
    /// Whether there are no other workers.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        self.lines.len() <= 1
    }

    pub(super) fn others(&self) -> std::ops::Range<usize> {
        0..self.lines.len()
    }

    pub(super) fn bell(&self) -> Option<&Doorbell> {
        self.bells.get(self.index)
    }

    fn line(&mut self, other: usize) -> Option<&mut Line> {
        self.lines.get_mut(other).and_then(Option::as_mut)
    }

    /// The number of containers that the other worker has room for now.
    #[inline]
    pub(super) fn room(&self, other: usize) -> usize {
        self.lines.get(other).and_then(Option::as_ref).map_or(0, |line| line.containers.slots())
    }

    /// Hands over the container that `next` returns, if there is room for one. Returns whether it did.
    #[inline]
    pub(super) fn hand_over(
        &mut self,
        other: usize,
        next: impl FnOnce() -> Option<Container<Packet>>,
    ) -> bool {
        let Some(line) = self.line(other) else { return false };
        let Ok(place) = line.containers.write_chunk_uninit(1) else { return false };
        let Some(container) = next() else { return false };
        line.on_the_way.push_back(Some(Handed::of(&container)));
        line.handed_over += container.len() as u64;
        line.handed_since_bell = true;
        place.fill_from_iter([container]) == 1
    }

    /// Calls `taken` for each container that the other workers have taken since the last call.
    #[inline]
    pub(super) fn each_taken(&mut self, mut taken: impl FnMut(&Handed)) {
        for line in self.lines.iter_mut().flatten().filter(|line| !line.on_the_way.is_empty()) {
            let waiting = CONTAINERS - line.containers.slots();
            while line.on_the_way.len() > waiting {
                line.on_the_way.pop_front().flatten().iter().for_each(&mut taken);
            }
        }
    }

    /// Calls `taken` for each container that came from this port or is for it, taken or not: the port is
    /// removed, and the containers are no longer charged to any pair.
    pub(super) fn forget(&mut self, port: PortId, mut taken: impl FnMut(&Handed)) {
        for handed in self.lines.iter_mut().flatten().flat_map(|line| &mut line.on_the_way) {
            handed.take_if(|handed| handed.names(port)).iter().for_each(&mut taken);
        }
    }

    /// Takes the next container from the other worker.
    #[inline]
    pub(super) fn take_over(&mut self, other: usize) -> Option<Container<Packet>> {
        let line = self.line(other)?;
        let container = line.arriving.pop().ok()?;
        line.taken_over += container.len() as u64;
        Some(container)
    }

    /// Returns an emptied container to the worker that filled it. It is handed back if there is no room.
    pub(super) fn give_back(
        &mut self,
        other: usize,
        container: Container<Packet>,
    ) -> Result<(), Container<Packet>> {
        let Some(line) = self.line(other) else { return Err(container) };
        line.empties.push(container).map_err(|PushError::Full(container)| container)
    }

    /// The next emptied container that the other worker returned.
    #[inline]
    pub(super) fn returned(&mut self, other: usize) -> Option<Container<Packet>> {
        self.line(other)?.returned.pop().ok()
    }

    /// Returns frames of other pools that were freed here.
    pub(super) fn return_freed_frames(&mut self, pool: &mut Pool) {
        for other in self.others() {
            let Some(line) = self.line(other) else { continue };
            pool.drain_away(other, &mut |idx| {
                let sent = line.frames.push(idx).is_ok();
                line.freed_since_bell |= sent;
                sent
            });
        }
    }

    /// Takes the frames that other workers have returned.
    pub(super) fn collect_freed_frames(&mut self, pool: &mut Pool) {
        for line in self.lines.iter_mut().flatten() {
            while let Ok(idx) = line.freed_frames.pop() {
                let ours = pool.take_back_freed(idx);
                invariant!(ours, "a frame came home that was not on its way here");
            }
        }
    }

    /// Wakes sleeping workers that were handed containers, or frames that they need.
    #[inline]
    pub(super) fn ring_bells(&mut self) {
        for (line, bell) in self.lines.iter_mut().zip(self.bells.iter()) {
            let Some(line) = line else { continue };
            let freed_since_bell = std::mem::take(&mut line.freed_since_bell);
            if std::mem::take(&mut line.handed_since_bell) {
                bell.ring_if(ASLEEP);
            } else if freed_since_bell && FRAMES - line.frames.slots() >= WORTH_A_BELL {
                bell.ring_if(ASLEEP_IN_NEED);
            }
        }
    }

    /// Whether containers have arrived, or frames while these are needed.
    pub(super) fn has_arrivals(&self, in_need: bool) -> bool {
        self.lines
            .iter()
            .flatten()
            .any(|line| !line.arriving.is_empty() || (in_need && !line.freed_frames.is_empty()))
    }

    /// All packets ever handed over to the other workers.
    pub(super) fn handed_over(&self) -> u64 {
        self.lines.iter().flatten().map(|line| line.handed_over).sum()
    }

    /// All packets ever taken over from the other workers.
    pub(super) fn taken_over(&self) -> u64 {
        self.lines.iter().flatten().map(|line| line.taken_over).sum()
    }
}

#[cfg(test)]
mod tests;
