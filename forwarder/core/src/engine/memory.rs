//! What an engine takes of memory. Invariant: nothing in it grows with the number of ports times
//! the number of ports; what is kept by pair is kept of pairs that have come to be.

use super::Engine;
use super::state::{Link, Source};
use crate::sched::Scheduler;
use crate::{Packet, PortId};

/// Bytes set aside, by what they are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EngineMemory {
    /// By port: sources, links, and what each link's scheduler is itself.
    pub ports: usize,
    /// By pair: what the engine and the schedulers keep of each.
    pub pairs: usize,
    /// Containers that lie ready.
    pub containers: usize,
}

impl EngineMemory {
    #[must_use]
    pub const fn total(&self) -> usize {
        self.ports + self.pairs + self.containers
    }
}

impl<P: Packet> Engine<P> {
    /// Goes through all links: cold.
    #[must_use]
    pub fn memory(&self) -> EngineMemory {
        let open = self.open.capacity() * size_of::<(PortId, PortId)>();
        let mut memory = EngineMemory {
            ports: size_of_val(&*self.links) + self.sources.capacity() * size_of::<Source>(),
            pairs: open + self.shed.memory(),
            containers: self.spares.memory(),
        };
        for link in self.links.iter().flatten() {
            memory.ports += size_of::<Link<P>>();
            memory.pairs += link.pairs.bytes() + link.scheduler.memory();
        }
        memory
    }
}
