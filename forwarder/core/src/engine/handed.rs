//! Containers on their way to another worker, and which pair and source they are charged to.
//!
//! Invariant: a container that `next` returned for another worker's port counts towards the bounds of its
//! pair and its source here until `taken` reports that the other worker has it. From then on it counts there.
//! So what a source has in both engines and between them never exceeds what the two engines allow it.

use super::{Engine, pair_mut};
use crate::{Container, Packet, PortId, broken, invariant};

/// The charge for a container on its way to another worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handed {
    ingress: PortId,
    egress: PortId,
    bytes: u64,
    packets: u64,
    frames: u64,
}

impl Handed {
    #[must_use]
    pub fn of<P: Packet>(container: &Container<P>) -> Self {
        Self {
            ingress: container.ingress(),
            egress: container.egress(),
            bytes: container.bytes(),
            packets: container.len() as u64,
            frames: container.frames(),
        }
    }

    /// Whether the container came from this port or is for it.
    #[must_use]
    pub fn names(&self, port: PortId) -> bool {
        self.ingress == port || self.egress == port
    }
}

impl<P: Packet> Engine<P> {
    /// The other worker has taken a container. Before `remove_port`, call this for all containers of that
    /// port that are still on their way: afterwards no pair or source is charged for them.
    pub fn taken(&mut self, handed: &Handed) {
        let Handed { ingress, egress, bytes, packets, frames } = *handed;
        let pair = pair_mut(&mut self.links, ingress, egress);
        let (Some(pair), Some(source)) = (pair, self.sources.get_mut(ingress.index())) else {
            return broken!("a container was handed over, and its pair is gone");
        };
        invariant!(
            pair.bytes >= bytes && pair.packets >= packets && pair.frames >= frames,
            "more came to the other worker than was handed over"
        );
        pair.bytes = pair.bytes.saturating_sub(bytes);
        pair.packets = pair.packets.saturating_sub(packets);
        pair.frames = pair.frames.saturating_sub(frames);
        source.frames = source.frames.saturating_sub(frames);
        if !source.starved.is_empty() {
            self.relieve(ingress, egress);
        }
    }
}
