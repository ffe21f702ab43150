//! The normal form of a state: one state stands for all that would go on in the same way. So the flow is
//! endless, and the number of states is not.
//! Invariant: no step can tell a state from its normal form: steps only compare numbers with each other.

use super::gate::Gate;
use super::state::{CPUS, Clearing, Item, OTHER, State};

impl State {
    /// Gives the normal form, and by how much it has lowered the numbers of frames.
    pub(crate) fn normal(mut self) -> (Self, u8) {
        self.take_fences();
        self.rank_bridged();
        self.count_from_done();
        let by = self.number_from_oldest();
        (self, by)
    }

    /// Takes a fence out of a backlog as soon as it is the first. Only the clearing thread sees that, and it
    /// may always see it later.
    fn take_fences(&mut self) {
        for cpu in &mut self.cpus {
            if cpu.gate == Gate::Idle && cpu.backlog.first() == Some(Item::Fence) {
                cpu.backlog.pop();
            }
        }
    }

    /// Replaces the counts of bridged and cleared frames by their ranks: only their order matters.
    fn rank_bridged(&mut self) {
        let mut all = [u8::MAX; 16];
        let mut count = 0;
        self.each_bridged(|word| {
            all[count] = *word;
            count += 1;
        });
        all.sort_unstable();
        self.each_bridged(|word| {
            let mut rank = 0;
            for pair in all.windows(2).take_while(|pair| pair[0] < *word) {
                rank += u8::from(pair[0] != pair[1]);
            }
            *word = rank;
        });
    }

    fn each_bridged(&mut self, mut visit: impl FnMut(&mut u8)) {
        visit(&mut self.words.bridged);
        visit(&mut self.words.cleared);
        self.worker.held.iter_mut().for_each(|(_, bridged)| visit(bridged));
        if let Clearing::Round { bridged, .. } = &mut self.clearing {
            visit(bridged);
        }
        self.cpus.iter_mut().filter_map(|cpu| cpu.gate.cleared_mut()).for_each(visit);
    }

    /// Counts steered frames from DONE on, and so what the gates have read of STEERED and DONE. What is below
    /// DONE becomes `PAST`: neither word is ever equal to it again.
    fn count_from_done(&mut self) {
        const PAST: u8 = u8::MAX;
        let done = std::mem::take(&mut self.words.done);
        self.words.steered = self.words.steered.wrapping_sub(done);
        self.words.came = self.words.came.wrapping_sub(done);
        for count in self.cpus.iter_mut().filter_map(|cpu| cpu.gate.counted_mut()) {
            *count = if *count == PAST { PAST } else { count.checked_sub(done).unwrap_or(PAST) };
        }
    }

    fn number_from_oldest(&mut self) -> u8 {
        let mut oldest = self.next;
        self.each_frame(|frame| oldest = oldest.min(*frame));
        self.each_frame(|frame| *frame -= oldest);
        self.next -= oldest;
        self.arrived = self.arrived.saturating_sub(oldest);
        self.handed = self.handed.saturating_sub(oldest);
        oldest
    }

    fn each_frame(&mut self, mut visit: impl FnMut(&mut u8)) {
        let mut visit = |frame: &mut u8| {
            if *frame != OTHER {
                visit(frame);
            }
        };
        for cpu in 0..CPUS {
            let cpu = &mut self.cpus[cpu];
            cpu.gate.frame_mut().map(&mut visit);
            for item in cpu.backlog.iter_mut() {
                if let Item::Frame(frame) = item {
                    visit(frame);
                }
            }
        }
        self.worker.ring.iter_mut().for_each(|(frame, _)| visit(frame));
        self.worker.held.iter_mut().for_each(|(frame, _)| visit(frame));
        self.worker.queued.iter_mut().for_each(visit);
    }
}
