//! The memory an engine uses. Invariant: nothing in it grows with the number of ports times the number of
//! ports; what is kept per pair is kept only for pairs that exist.

use super::Engine;
use super::state::{Link, Source};
use crate::sched::Scheduler;
use crate::{Packet, PortId};

/// Bytes allocated, by purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EngineMemory {
    /// By port: sources, links, and each link's scheduler itself.
    pub ports: usize,
    /// By pair: what the engine and the schedulers keep for each.
    pub pairs: usize,
    /// Containers ready for use.
    pub containers: usize,
}

impl EngineMemory {
    #[must_use]
    pub const fn total(&self) -> usize {
        self.ports + self.pairs + self.containers
    }
}

impl<P: Packet> Engine<P> {
    /// Visits all links: cold.
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
