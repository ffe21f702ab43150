//! The books: what the program counted, what the worker counted, and whether the two agree.
//!
//! Invariant: nothing is filled in to make the sums equal. Frames that were steered are counted by
//! the program before and after the workers' numbers are taken; the workers' own count of them must
//! lie between the two. Once traffic stops the two are the same number, and the check is exact.
//!
//! Several workers give their numbers one after the other, while packets pass between them. Each
//! worker's numbers are of one moment, and what it handed over and took over are among them, so its
//! own books must balance whatever the others do; so must their sum, then. What is between workers
//! is the difference of the two counts, which giver and taker keep apart from each other: a packet
//! that gets lost between them stays in flight for ever, and shows.

use weir_abi::{Counter, PortCounters};
use weir_core::{Ledger, Losses, PortId, Reason};

use crate::worker::{ContainerStats, PortSnapshot, WorkerSnapshot};
use weir_api::{Amount, Lanes, TxLanes};

/// The reason under which a frame is lost that the program dropped, if it did.
pub fn reason_of(counter: Counter) -> Option<Reason> {
    match counter {
        Counter::Steered
        | Counter::Express
        | Counter::PassedHost
        | Counter::PassedFallback
        | Counter::PassedGroup
        | Counter::PassedUnknown
        | Counter::PassedBridge => None,
        Counter::DroppedFallback => Some(Reason::FallbackDrop),
        Counter::Malformed => Some(Reason::Malformed),
        Counter::Spoofed => Some(Reason::Spoofed),
        Counter::Shed => Some(Reason::Shed),
        Counter::NoMeta => Some(Reason::NoMeta),
        Counter::Reserved => Some(Reason::Reserved),
        Counter::Storm => Some(Reason::Storm),
        Counter::RxShare => Some(Reason::RxShare),
    }
}

/// What the program counted on one port.
#[derive(Clone, Debug, Default)]
pub struct ProgramBooks {
    pub received: u64,
    pub steered: u64,
    /// Delivered by the gate itself, to whichever port.
    pub express: u64,
    pub express_bytes: u64,
    /// Delivered to this port by the gate itself: other ports' `express`.
    pub reached: u64,
    pub reached_bytes: u64,
    pub passed: u64,
    pub passed_bytes: u64,
    pub lost: Losses,
}

impl ProgramBooks {
    pub fn merge(&mut self, other: &Self) {
        self.received += other.received;
        self.steered += other.steered;
        self.express += other.express;
        self.express_bytes += other.express_bytes;
        self.reached += other.reached;
        self.reached_bytes += other.reached_bytes;
        self.passed += other.passed;
        self.passed_bytes += other.passed_bytes;
        self.lost.merge(&other.lost);
    }
}

impl ProgramBooks {
    /// `reached`: frames and bytes that came to the port by the express lane.
    pub fn new(counters: &PortCounters, [reached, reached_bytes]: [u64; 2]) -> Self {
        Self { reached, reached_bytes, ..Self::from(counters) }
    }
}

impl From<&PortCounters> for ProgramBooks {
    fn from(counters: &PortCounters) -> Self {
        let mut books = Self::default();
        for counter in Counter::all() {
            let frames = counters.frames[counter as usize];
            books.received += frames;
            match (counter, reason_of(counter)) {
                (_, Some(reason)) => books.lost.add(reason, frames),
                (Counter::Steered, None) => books.steered += frames,
                (Counter::Express, None) => {
                    books.express += frames;
                    books.express_bytes += counters.bytes[counter as usize];
                }
                (_, None) => {
                    books.passed += frames;
                    books.passed_bytes += counters.bytes[counter as usize];
                }
            }
        }
        // Counted as steered, and then lost behind the gate.
        for (reason, frames) in [
            (Reason::NoMeta, counters.behind_no_meta),
            (Reason::FallbackDrop, counters.behind_no_socket),
        ] {
            books.steered = books.steered.saturating_sub(frames);
            books.lost.add(reason, frames);
        }
        books
    }
}

/// What the worker counted on one port, over all the lives of the port's name.
#[derive(Clone, Debug, Default)]
pub struct WorkerBooks {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub rx_superframes: u64,
    pub tx_packets: u64,
    pub tx_bytes: u64,
    pub tx_superframes: u64,
    /// Made here by cutting superframes, beyond the superframes themselves.
    pub copies: u64,
    pub lost: Losses,
    pub checksums_completed: u64,
    pub segmented: u64,
    pub kicks: u64,
    pub kick_again: u64,
    pub containers: ContainerStats,
    /// Steered frames that weir's own pair lost before anybody could count them; also in `lost`.
    pub never_came: u64,
    /// Now, not ever.
    pub rx_waiting: u64,
    pub tx_outstanding: u64,
}

impl WorkerBooks {
    /// Adds what a port's present life has counted.
    pub fn absorb(&mut self, port: &PortSnapshot) {
        let stats = &port.stats;
        self.rx_packets += stats.rx_packets;
        self.rx_bytes += stats.rx_bytes;
        self.rx_superframes += stats.rx_superframes;
        self.tx_packets += stats.tx_packets;
        self.tx_bytes += stats.tx_bytes;
        self.tx_superframes += stats.tx_superframes;
        self.copies += port.copies + stats.segments_made;
        self.checksums_completed += stats.checksums_completed;
        self.segmented += stats.segmented;
        self.kicks += stats.kicks;
        self.kick_again += stats.kick_again;
        self.lost.merge(&stats.losses);
        self.lost.merge(&port.losses);
        merge_containers(&mut self.containers, &port.containers);
        self.rx_waiting += port.rx_waiting;
        self.tx_outstanding += port.tx_outstanding;
    }

    /// Adds another port's books, or another life's.
    pub fn merge(&mut self, other: &Self) {
        self.rx_packets += other.rx_packets;
        self.rx_bytes += other.rx_bytes;
        self.rx_superframes += other.rx_superframes;
        self.tx_packets += other.tx_packets;
        self.tx_bytes += other.tx_bytes;
        self.tx_superframes += other.tx_superframes;
        self.copies += other.copies;
        self.checksums_completed += other.checksums_completed;
        self.segmented += other.segmented;
        self.kicks += other.kicks;
        self.kick_again += other.kick_again;
        self.lost.merge(&other.lost);
        merge_containers(&mut self.containers, &other.containers);
        self.never_came += other.never_came;
        self.rx_waiting += other.rx_waiting;
        self.tx_outstanding += other.tx_outstanding;
    }

    /// Steered frames that the worker knows the end of: received, or lost at its door.
    pub fn arrived(&self) -> u64 {
        self.rx_packets + self.never_came + at_the_door(&self.lost)
    }

    /// Steered frames that will not come any more, for who waits for them.
    pub fn give_up(&mut self, frames: u64) {
        self.never_came += frames;
        self.lost.add(Reason::FallbackDrop, frames);
    }
}

/// What was lost on the way from the program into the worker.
pub fn at_the_door(lost: &Losses) -> u64 {
    let reasons =
        [Reason::RxRingFull, Reason::FillEmpty, Reason::BadDescriptor, Reason::TruncatedChain];
    reasons.iter().map(|&reason| lost.get(reason)).sum()
}

fn merge_containers(sum: &mut ContainerStats, other: &ContainerStats) {
    for (sum, released) in sum.released.iter_mut().zip(other.released) {
        *sum += released;
    }
    sum.packets += other.packets;
    sum.bytes += other.bytes;
    sum.wait_ns += other.wait_ns;
}

/// By which lane a port's frames went: those it sent, and those it was delivered.
pub fn lanes(program: &ProgramBooks, worker: &WorkerBooks) -> (Lanes, TxLanes) {
    let sent = Lanes {
        express: Amount::new(program.express, program.express_bytes),
        scheduled: Amount::new(worker.rx_packets, worker.rx_bytes),
        bridge: Amount::new(program.passed, program.passed_bytes),
    };
    let delivered = TxLanes {
        express: Amount::new(program.reached, program.reached_bytes),
        scheduled: Amount::new(worker.tx_packets, worker.tx_bytes),
    };
    (sent, delivered)
}

/// What the workers hold that is no port's, and what passed between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    pub held_packets: u64,
    /// Packets given to other workers, ever, as the givers count them.
    pub handed_over: u64,
    /// The same as the takers count them, each at its own moment.
    pub taken_over: u64,
    /// Losses of frames whose port is gone.
    pub orphans: Losses,
}

impl Inside {
    pub fn of(snapshots: &[WorkerSnapshot]) -> Self {
        let mut inside = Self::default();
        for snapshot in snapshots {
            inside.held_packets += snapshot.held_packets;
            inside.handed_over += snapshot.handed_over;
            inside.taken_over += snapshot.taken_over;
            inside.orphans.merge(&snapshot.orphan_losses);
        }
        inside
    }
}

/// What all workers lost of frames that came in by a port that is not theirs.
pub fn lost_elsewhere(snapshots: &[WorkerSnapshot], port: PortId) -> Losses {
    let mut lost = Losses::default();
    for (ingress, losses) in snapshots.iter().flat_map(|snapshot| &snapshot.foreign_losses) {
        if *ingress == port {
            lost.merge(losses);
        }
    }
    lost
}

/// One port in the whole forwarder's ledger.
#[derive(Debug)]
pub struct Page<'a> {
    /// The program's numbers before the worker's were taken.
    pub before: &'a ProgramBooks,
    /// The program's numbers after that.
    pub after: &'a ProgramBooks,
    pub worker: &'a WorkerBooks,
}

/// The whole forwarder's ledger: balanced, or its difference says by how many frames it is not.
pub fn ledger<'a>(pages: impl IntoIterator<Item = Page<'a>>, inside: &Inside) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.lost.merge(&inside.orphans);
    // Frames that came in while the numbers were taken, as far as no worker's tell of them.
    let mut unseen = 0;
    let mut in_flight = inside.held_packets + inside.handed_over;
    for Page { before, after, worker } in pages {
        let arrived = worker.arrived();
        // The ring holds whole packets, but can only be counted in frames, of which a superframe
        // has many: so what waits there is at most this.
        let steered = (arrived + worker.rx_waiting).clamp(before.steered, after.steered);
        let in_ring = steered.saturating_sub(arrived).min(worker.rx_waiting);
        unseen += after.steered - steered;
        ledger.received += after.received - after.steered + steered;
        ledger.passed += after.passed;
        ledger.lost.merge(&after.lost);
        ledger.lost.merge(&worker.lost);
        ledger.copies += worker.copies;
        ledger.delivered += worker.tx_packets + after.express;
        ledger.express += after.express;
        in_flight += in_ring + worker.tx_outstanding;
    }
    // More was taken over than there was to take: by workers that were asked after the givers, of
    // what came in between.
    let early = inside.taken_over.saturating_sub(in_flight);
    ledger.received += early.min(unseen);
    ledger.in_flight = in_flight.saturating_sub(inside.taken_over);
    ledger
}

#[cfg(test)]
mod tests;
