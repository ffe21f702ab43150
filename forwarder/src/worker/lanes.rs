//! The worker's ports, by slot, and the order in which they are served.
//!
//! Invariant: `serving` lists exactly the occupied slots, each once. Serving starts one port later
//! every turn, so that no port's frames always reach the queues first.

use weir_core::{Losses, MAX_PORTS, PortId};

use super::sent::SentLog;

/// A port with the worker's own numbers about it.
#[derive(Debug)]
pub(super) struct Lane<P> {
    pub(super) port: P,
    pub(super) losses: Losses,
    pub(super) copies: u64,
    /// The device took nothing at the last attempt.
    pub(super) refused: bool,
    /// For the next turn.
    pub(super) budget: Budget,
    /// What came in here by the shared ring.
    pub(super) shared: Received,
    pub(super) sent: SentLog,
}

/// Packets that a port sent and that came by the worker's shared receive ring, which has numbers of
/// all ports together only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) superframes: u64,
}

/// Packets taken in a turn, from one port or from several together.
pub(super) const BURST: usize = 128;
/// Fewer from one port would cost more than they spare the others.
const BURST_LEAST: usize = 16;
/// Bytes that one port's turn may come to, more or less: 128 superframes would be 8 MB, and
/// everybody else's frames would wait behind them.
const BURST_BYTES: u64 = 256 << 10;

/// Packets to take from a ring in the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget(pub(super) usize);

impl Default for Budget {
    fn default() -> Self {
        Self(BURST)
    }
}

impl Budget {
    /// Sets the budget of the next turn by what came in this one, and from how many rings something
    /// came in the one before: a turn is what a single frame waits for.
    #[inline]
    pub(super) fn spend(&mut self, packets: usize, bytes: u64, busy_ports: usize) {
        let burst = match busy_ports {
            0 | 1 => BURST,
            several => (BURST / several).max(BURST_LEAST),
        };
        self.0 = match bytes / (packets as u64).max(1) {
            0..2048 => burst,
            mean => ((BURST_BYTES / mean) as usize).clamp(4, burst),
        };
    }
}

#[derive(Debug)]
pub(super) struct Lanes<P> {
    slots: Vec<Option<Lane<P>>>,
    serving: Vec<PortId>,
    first: usize,
}

impl<P> Lanes<P> {
    pub(super) fn new() -> Self {
        Self {
            slots: std::iter::repeat_with(|| None).take(MAX_PORTS).collect(),
            serving: Vec::with_capacity(MAX_PORTS),
            first: 0,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: PortId) -> Option<&mut Lane<P>> {
        self.slots.get_mut(usize::from(id.0)).and_then(Option::as_mut)
    }

    pub(super) fn get(&self, id: PortId) -> Option<&Lane<P>> {
        self.slots.get(usize::from(id.0)).and_then(Option::as_ref)
    }

    /// Puts a port into its slot; gives back one that was there.
    pub(super) fn insert(&mut self, id: PortId, port: P) -> Option<P> {
        let before = self.remove(id);
        if let Some(slot) = self.slots.get_mut(usize::from(id.0)) {
            let losses = Losses::default();
            let sent = SentLog::new();
            *slot = Some(Lane {
                port,
                losses,
                copies: 0,
                refused: false,
                budget: Budget::default(),
                shared: Received::default(),
                sent,
            });
            self.serving.push(id);
        }
        before.map(|lane| lane.port)
    }

    pub(super) fn remove(&mut self, id: PortId) -> Option<Lane<P>> {
        let lane = self.slots.get_mut(usize::from(id.0)).and_then(Option::take)?;
        self.serving.retain(|&served| served != id);
        Some(lane)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.serving.len()
    }

    /// The `nth` port to serve in this turn.
    #[inline]
    pub(super) fn nth(&self, nth: usize) -> Option<PortId> {
        let count = self.serving.len();
        let mut at = self.first + nth;
        if at >= count {
            at -= count;
        }
        self.serving.get(at).copied()
    }

    /// The next turn begins with another port.
    #[inline]
    pub(super) fn rotate(&mut self) {
        self.first += 1;
        if self.first >= self.serving.len() {
            self.first = 0;
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = PortId> + '_ {
        self.serving.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_served_once_a_turn_and_each_is_first_in_its_turn() {
        let mut lanes = Lanes::new();
        for id in [3, 7, 200] {
            assert!(lanes.insert(PortId(id), id).is_none());
        }
        let mut firsts = Vec::new();
        for _ in 0..3 {
            let served: Vec<u16> =
                (0..lanes.len()).filter_map(|n| lanes.nth(n)).map(|id| id.0).collect();
            let mut sorted = served.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [3, 7, 200]);
            firsts.push(served[0]);
            lanes.rotate();
        }
        firsts.sort_unstable();
        assert_eq!(firsts, [3, 7, 200]);
    }

    #[test]
    fn long_packets_are_taken_in_smaller_numbers() {
        let mut spent = Budget::default();
        for (packets, bytes, budget) in [
            (128, 128 * 64, BURST),
            (128, 128 * 1514, BURST),
            (64, 64 * 65_000, 4),
            (1, 9_000, 29),
            (0, 0, BURST),
        ] {
            spent.spend(packets, bytes, 1);
            assert_eq!(spent.0, budget, "{packets} packets, {bytes} bytes");
        }
    }

    #[test]
    fn several_busy_ports_share_a_turn() {
        let mut spent = Budget::default();
        for (ports, budget) in [(1, 128), (2, 64), (3, 42), (8, 16), (100, 16)] {
            spent.spend(10, 640, ports);
            assert_eq!(spent.0, budget, "{ports} ports");
        }
    }

    #[test]
    fn a_removed_port_is_served_no_more() {
        let mut lanes = Lanes::new();
        lanes.insert(PortId(1), 'a');
        lanes.insert(PortId(2), 'b');
        lanes.rotate();
        assert_eq!(lanes.remove(PortId(2)).map(|lane| lane.port), Some('b'));
        assert_eq!(lanes.ids().collect::<Vec<_>>(), [PortId(1)]);
        assert_eq!(lanes.nth(0), Some(PortId(1)));
        assert!(lanes.get_mut(PortId(2)).is_none());
    }
}
