//! The books: what the program counted, what the worker counted, and whether the two agree.
//!
//! Invariant: nothing is filled in to make the sums equal. Frames that were steered are counted by
//! the program before and after the worker's numbers are taken; the worker's own count of them must
//! lie between the two. Once traffic stops the two are the same number, and the check is exact.

use weir_abi::{Counter, PortCounters};
use weir_core::{Ledger, Losses, Reason};

use crate::worker::PortSnapshot;

/// The reason under which a frame is lost that the program dropped, if it did.
pub fn reason_of(counter: Counter) -> Option<Reason> {
    match counter {
        Counter::Steered | Counter::PassedHost | Counter::PassedFallback => None,
        Counter::DroppedFallback => Some(Reason::FallbackDrop),
        Counter::Malformed => Some(Reason::Malformed),
        Counter::Oversize => Some(Reason::Oversize),
        Counter::Spoofed => Some(Reason::Spoofed),
        Counter::Shed => Some(Reason::Shed),
        Counter::Unsupported => Some(Reason::Unsupported),
        Counter::NoMeta => Some(Reason::NoMeta),
    }
}

/// What the program counted on one port.
#[derive(Clone, Debug, Default)]
pub struct ProgramBooks {
    pub received: u64,
    pub steered: u64,
    pub passed: u64,
    pub passed_bytes: u64,
    pub lost: Losses,
}

impl ProgramBooks {
    pub fn merge(&mut self, other: &Self) {
        self.received += other.received;
        self.steered += other.steered;
        self.passed += other.passed;
        self.passed_bytes += other.passed_bytes;
        self.lost.merge(&other.lost);
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
                (_, None) => {
                    books.passed += frames;
                    books.passed_bytes += counters.bytes[counter as usize];
                }
            }
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
    pub copies: u64,
    pub lost: Losses,
    pub checksums_completed: u64,
    pub segmented: u64,
    pub kicks: u64,
    pub kick_again: u64,
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
        self.copies += port.copies + stats.segments_made + stats.overheard;
        self.checksums_completed += stats.checksums_completed;
        self.segmented += stats.segmented;
        self.kicks += stats.kicks;
        self.kick_again += stats.kick_again;
        self.lost.merge(&stats.losses);
        self.lost.merge(&port.losses);
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
        self.rx_waiting += other.rx_waiting;
        self.tx_outstanding += other.tx_outstanding;
    }

    /// Steered frames that the worker knows the end of: received, or lost at its door.
    pub fn arrived(&self) -> u64 {
        let at_the_door =
            [Reason::RxRingFull, Reason::FillEmpty, Reason::BadDescriptor, Reason::TruncatedChain];
        self.rx_packets + at_the_door.iter().map(|&reason| self.lost.get(reason)).sum::<u64>()
    }
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
pub fn ledger<'a>(
    pages: impl IntoIterator<Item = Page<'a>>,
    orphans: &Losses,
    held_packets: u64,
) -> Ledger {
    let mut ledger = Ledger { in_flight: held_packets, ..Ledger::default() };
    ledger.lost.merge(orphans);
    for Page { before, after, worker } in pages {
        let arrived = worker.arrived();
        // The ring holds whole packets, but can only be counted in frames, of which a superframe
        // has many: so what waits there is at most this.
        let steered = (arrived + worker.rx_waiting).clamp(before.steered, after.steered);
        let in_ring = steered.saturating_sub(arrived).min(worker.rx_waiting);
        ledger.received += after.received - after.steered + steered;
        ledger.passed += after.passed;
        ledger.lost.merge(&after.lost);
        ledger.lost.merge(&worker.lost);
        ledger.copies += worker.copies;
        ledger.delivered += worker.tx_packets;
        ledger.in_flight += in_ring + worker.tx_outstanding;
    }
    ledger
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(steered: u64, passed: u64) -> ProgramBooks {
        ProgramBooks { received: steered + passed, steered, passed, ..ProgramBooks::default() }
    }

    fn worker(rx_packets: u64, tx_packets: u64, rx_waiting: u64) -> WorkerBooks {
        WorkerBooks { rx_packets, tx_packets, rx_waiting, ..WorkerBooks::default() }
    }

    fn one(before: &ProgramBooks, after: &ProgramBooks, books: &WorkerBooks, held: u64) -> Ledger {
        ledger([Page { before, after, worker: books }], &Losses::default(), held)
    }

    #[test]
    fn quiet_books_balance_exactly() {
        let quiet = program(100, 7);
        assert!(one(&quiet, &quiet, &worker(100, 90, 0), 10).balanced());
    }

    #[test]
    fn a_single_missing_frame_shows() {
        let quiet = program(100, 7);
        assert_eq!(one(&quiet, &quiet, &worker(99, 99, 0), 0).balance(), 1);
        assert_eq!(one(&quiet, &quiet, &worker(100, 99, 0), 0).balance(), 1);
        assert_eq!(one(&quiet, &quiet, &worker(101, 101, 0), 0).balance(), -1);
    }

    #[test]
    fn traffic_between_the_two_readings_is_no_imbalance() {
        assert!(one(&program(100, 0), &program(150, 3), &worker(120, 120, 10), 0).balanced());
    }

    #[test]
    fn a_superframe_in_the_ring_is_one_frame() {
        let quiet = program(101, 0);
        let ledger = one(&quiet, &quiet, &worker(100, 100, 17), 0);
        assert_eq!((ledger.in_flight, ledger.balanced()), (1, true));
    }

    #[test]
    fn what_the_program_dropped_is_lost_under_its_reason() {
        let mut counters = PortCounters::default();
        for (n, counter) in Counter::all().enumerate() {
            counters.frames[counter as usize] = n as u64 + 1;
        }
        let books = ProgramBooks::from(&counters);
        let total: u64 = counters.frames.iter().sum();
        let lost: u64 = books.lost.iter().map(|(_, frames)| frames).sum();
        assert_eq!(books.received, total);
        assert_eq!(books.steered + books.passed + lost, total);
    }
}
