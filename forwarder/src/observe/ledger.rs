//! The ledger, checked: the program's counts, the workers' counts, and whether they agree.
//!
//! Invariant: no value is made up to make the sums equal. Frames that were steered are counted by the
//! program before and after the workers' numbers are taken; the workers' own count of them must lie
//! between the two. Once traffic stops the two are the same number, and the check is exact.
//!
//! Several workers give their numbers one after the other, while packets pass between them. Each
//! worker's numbers are of one moment and include the packets that it handed over and took over. So its
//! own counts must balance whatever the others do, and so must their sum. The packets between workers
//! are the difference of the two counts, which giver and taker keep independently: a packet lost
//! between them stays in flight for ever, and shows.

use weir_abi::{Counter, PortCounters};
use weir_core::{ContainerCounts, Losses, PortId, Reason};
use weir_port::reason_of;

use crate::worker::{PortSnapshot, WorkerSnapshot};
use weir_api::{Amount, Lanes, LedgerReport, PortCounter, PortCounts, Traffic, TxLanes};

/// Counts; `merge` adds each field of another port, or of another life.
macro_rules! counts {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$what:meta])* pub $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $($(#[$what])* pub $field: $kind,)*
        }

        impl $name {
            pub fn merge(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counts! {
    /// The program's counts of one port.
    pub struct ProgramCounts {
        pub received: u64,
        pub steered: u64,
        /// Frames from this port that the gate delivered itself, to any port.
        pub express: Amount,
        /// Frames that the gate delivered to this port itself: part of other ports' `express`.
        pub reached: Amount,
        pub passed: Amount,
        pub lost: Losses,
    }
}

impl ProgramCounts {
    /// `reached`: frames and bytes that reached the port by the express lane.
    pub fn new(counters: &PortCounters, [frames, bytes]: [u64; 2]) -> Self {
        let mut counts = Self { reached: Amount::new(frames, bytes), ..Self::default() };
        for counter in Counter::all() {
            let frames = counters.frames[counter as usize];
            let amount = Amount::new(frames, counters.bytes[counter as usize]);
            counts.received += frames;
            match (counter, reason_of(counter)) {
                (_, Some(reason)) => counts.lost.add(reason, frames),
                (Counter::Steered, None) => counts.steered += frames,
                (Counter::Express, None) => counts.express += amount,
                (_, None) => counts.passed += amount,
            }
        }
        // These frames were counted as steered, and then lost behind the gate.
        for (reason, frames) in [
            (Reason::NoMeta, counters.behind_no_meta),
            (Reason::FallbackDrop, counters.behind_no_socket),
        ] {
            counts.steered = counts.steered.saturating_sub(frames);
            counts.lost.add(reason, frames);
        }
        counts
    }
}

counts! {
    /// The worker's counts of one port, over all the lives of the port's name.
    pub struct WorkerCounts {
        pub rx: Traffic,
        pub tx: Traffic,
        pub counts: PortCounts,
        pub lost: Losses,
        pub containers: ContainerCounts,
        /// Steered frames that weir's own pair lost before any counter; also in `lost`.
        pub never_came: u64,
        /// The present number, not a total.
        pub rx_waiting: u64,
        pub tx_outstanding: u64,
    }
}

impl From<&PortSnapshot> for WorkerCounts {
    /// The counts of a port's present life.
    fn from(port: &PortSnapshot) -> Self {
        let stats = &port.stats;
        let mut lost = stats.losses;
        lost += port.losses;
        Self {
            rx: Traffic {
                frames: stats.rx_packets,
                bytes: stats.rx_bytes,
                superframes: stats.rx_superframes,
            },
            tx: Traffic {
                frames: stats.tx_packets,
                bytes: stats.tx_bytes,
                superframes: stats.tx_superframes,
            },
            counts: PortCounts::from_iter([
                (PortCounter::Copies, port.copies + stats.segments_made),
                (PortCounter::ChecksumsCompleted, stats.checksums_completed),
                (PortCounter::SuperframesSegmented, stats.segmented),
                (PortCounter::Kicks, stats.kicks),
                (PortCounter::KickAgain, stats.kick_again),
            ]),
            lost,
            containers: port.containers,
            never_came: 0,
            rx_waiting: port.rx_waiting,
            tx_outstanding: port.tx_outstanding,
        }
    }
}

impl WorkerCounts {
    /// Steered frames whose end the worker knows: received, or lost at its door.
    pub fn arrived(&self) -> u64 {
        self.rx.frames + self.never_came + at_the_door(&self.lost)
    }

    /// Gives up steered frames that will not arrive, so that nothing waits for them.
    pub fn give_up(&mut self, frames: u64) {
        self.never_came += frames;
        self.lost.add(Reason::FallbackDrop, frames);
    }
}

/// Losses on the way from the program into the worker.
pub fn at_the_door(lost: &Losses) -> u64 {
    let reasons =
        [Reason::RxRingFull, Reason::FillEmpty, Reason::BadDescriptor, Reason::TruncatedChain];
    reasons.iter().map(|&reason| lost.get(reason)).sum()
}

/// A port's frames by lane: those it sent, and those delivered to it.
pub fn lanes(program: &ProgramCounts, worker: &WorkerCounts) -> (Lanes, TxLanes) {
    let sent =
        Lanes { express: program.express, scheduled: worker.rx.amount(), bridge: program.passed };
    let delivered = TxLanes { express: program.reached, scheduled: worker.tx.amount() };
    (sent, delivered)
}

/// Frames that workers hold and that belong to no port, and packets passed between workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkersTotal {
    pub held_packets: u64,
    /// Packets given to other workers in total, as the givers count them.
    pub handed_over: u64,
    /// The same as the takers count them, each at its own moment.
    pub taken_over: u64,
    /// Losses of frames whose port is gone.
    pub orphans: Losses,
}

impl WorkersTotal {
    pub fn of(snapshots: &[WorkerSnapshot]) -> Self {
        let mut workers = Self::default();
        for snapshot in snapshots {
            workers.held_packets += snapshot.held_packets;
            workers.handed_over += snapshot.handed_over;
            workers.taken_over += snapshot.taken_over;
            workers.orphans += snapshot.orphan_losses;
        }
        workers
    }
}

/// The losses of all workers among frames that came in by a port of another worker.
pub fn lost_elsewhere(snapshots: &[WorkerSnapshot], port: PortId) -> Losses {
    let mut lost = Losses::default();
    for (ingress, losses) in snapshots.iter().flat_map(|snapshot| &snapshot.foreign_losses) {
        if *ingress == port {
            lost += *losses;
        }
    }
    lost
}

/// One port in the whole forwarder's ledger.
#[derive(Debug, Default)]
pub struct PortLedger {
    /// The program's counts, before and after the workers' were taken.
    pub before: ProgramCounts,
    pub after: ProgramCounts,
    pub worker: WorkerCounts,
}

/// The whole forwarder's ledger: balanced, or its difference is the number of frames that are missing.
pub fn ledger<'a>(
    ports: impl IntoIterator<Item = &'a PortLedger>,
    workers: &WorkersTotal,
) -> LedgerReport {
    let mut ledger = LedgerReport::default();
    let mut lost = workers.orphans;
    // Frames that came in while the numbers were taken and that no worker's numbers include.
    let mut unseen = 0;
    let mut in_flight = workers.held_packets + workers.handed_over;
    for PortLedger { before, after, worker } in ports {
        let arrived = worker.arrived();
        // The ring holds whole packets but is counted in frames, of which a superframe has many: so
        // this is an upper bound of what waits there. A frame that was lost behind the gate meanwhile is
        // in the first count of steered frames and not in the second.
        let steered = (arrived + worker.rx_waiting).max(before.steered).min(after.steered);
        let in_ring = steered.saturating_sub(arrived).min(worker.rx_waiting);
        unseen += after.steered - steered;
        ledger.received += after.received - after.steered + steered;
        ledger.passed += after.passed.frames;
        lost += after.lost;
        lost += worker.lost;
        ledger.copies += worker.counts.get(PortCounter::Copies);
        ledger.delivered += worker.tx.frames + after.express.frames;
        ledger.express += after.express.frames;
        in_flight += in_ring + worker.tx_outstanding;
    }
    // More was taken over than handed over: workers that were asked after the givers took what came in
    // between.
    let early = workers.taken_over.saturating_sub(in_flight);
    ledger.received += early.min(unseen);
    ledger.in_flight = in_flight.saturating_sub(workers.taken_over);
    ledger.with_lost(&lost)
}

#[cfg(test)]
mod tests;
