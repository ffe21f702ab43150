//! The gate, one step at a time. The decision is the real one. It is run again from its beginning with each
//! further answer, so that other CPUs may do something between two of its questions.
//! Invariant: a question reads the same words in the same order as `tables.rs` of the program.

use weir_abi::{Counter, meta_flags};

use super::asked::{Answers, Question, decide};
use super::rules::Rules;
use super::state::{LOST, State, Told};
use super::steps::{By, Steps, Who};

/// The gate on one CPU, in the soft interrupt that has brought it a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Gate {
    #[default]
    Idle,
    Asks(Asking),
    Leaves {
        frame: u8,
        way: Way,
    },
}

/// A decision that waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Asking {
    frame: u8,
    /// What the tables said when the decision began.
    told: Told,
    /// The answers that it has got.
    answers: Answers,
    question: Question,
    /// What was read for the question so far.
    seen: Seen,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Seen {
    Nothing,
    /// The first of two words.
    First(u8),
    /// The value of STEERED, while fewer are done: the gate reads DONE again, for a while.
    Waits(u8),
    /// The value of STEERED, after DONE has reached it.
    Waited(u8),
}

/// How a frame leaves the gate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Way {
    /// To the bridge, once BRIDGED is raised.
    Counts,
    Bridge,
    Express,
    Worker {
        marked: bool,
    },
}

impl Gate {
    pub(crate) fn begins(frame: u8, told: Told) -> Self {
        Self::goes_on(frame, told, Answers::default())
    }

    /// Goes on to the next question, or out of the gate.
    fn goes_on(frame: u8, told: Told, answers: Answers) -> Self {
        let decision = match decide(frame, told, answers) {
            Ok(decision) => decision,
            Err(question) => {
                return Self::Asks(Asking { frame, told, answers, question, seen: Seen::Nothing });
            }
        };
        let way = match decision.outcome {
            Counter::Express => Way::Express,
            Counter::Steered => Way::Worker { marked: decision.verdict.is(meta_flags::AT_BRIDGE) },
            Counter::PassedUnknown | Counter::PassedBridge if decision.for_now => Way::Counts,
            Counter::PassedBridge => Way::Bridge,
            outcome => panic!("no frame of the model is {outcome:?}"),
        };
        Self::Leaves { frame, way }
    }

    pub(crate) fn frame(&self) -> Option<u8> {
        match *self {
            Self::Idle => None,
            Self::Asks(Asking { frame, .. }) | Self::Leaves { frame, .. } => Some(frame),
        }
    }

    pub(crate) fn frame_mut(&mut self) -> Option<&mut u8> {
        match self {
            Self::Idle => None,
            Self::Asks(Asking { frame, .. }) | Self::Leaves { frame, .. } => Some(frame),
        }
    }

    /// The value that was read of CLEARED.
    pub(crate) fn cleared_mut(&mut self) -> Option<&mut u8> {
        match self {
            Self::Asks(Asking { question: Question::IsAtBridge, seen: Seen::First(n), .. }) => {
                Some(n)
            }
            _ => None,
        }
    }

    /// The value that was read of DONE or STEERED.
    pub(crate) fn counted_mut(&mut self) -> Option<&mut u8> {
        let Self::Asks(Asking { question: Question::IsSettled, seen, .. }) = self else {
            return None;
        };
        match seen {
            Seen::Nothing => None,
            Seen::First(n) | Seen::Waits(n) | Seen::Waited(n) => Some(n),
        }
    }

    /// The frame is counted as steered, and not yet in the ring.
    pub(crate) fn is_steering(&self) -> bool {
        match self {
            Self::Idle => false,
            Self::Asks(asking) => asking.answers.took_room(),
            Self::Leaves { way, .. } => matches!(way, Way::Worker { .. }),
        }
    }

    /// The gate's part of [`State::ahead`]: each step until the frame is delivered lowers it.
    pub(crate) fn ahead(&self) -> u32 {
        match self {
            Self::Idle => 0,
            Self::Asks(asking) => {
                let seen = match asking.seen {
                    Seen::Nothing => 0,
                    Seen::First(_) => 1,
                    Seen::Waits(_) => 2,
                    Seen::Waited(_) => 3,
                };
                100 - 10 * asking.answers.given() - seen
            }
            Self::Leaves { way: Way::Counts, .. } => 20,
            Self::Leaves { way: Way::Worker { .. }, .. } => 8,
            Self::Leaves { .. } => 2,
        }
    }

    /// What the gate of a CPU may do next.
    pub(crate) fn steps(state: &State, cpu: usize, rules: &Rules, steps: &mut Steps) {
        match state.cpus[cpu].gate {
            Self::Idle => {}
            Self::Asks(asking) => asking.steps(state, cpu, rules, steps),
            Self::Leaves { frame, way } => leave(state, cpu, rules, (frame, way), steps),
        }
    }
}

impl Asking {
    /// Reads the next word that answers the question.
    fn steps(self, state: &State, cpu: usize, rules: &Rules, steps: &mut Steps) {
        let words = &state.words;
        let mut sees = |does, seen| {
            let mut next = *state;
            next.cpus[cpu].gate = Gate::Asks(Self { seen, ..self });
            steps.add(By::Machine, (Who::Cpu(cpu), does, Some(self.frame)), next);
        };
        match (self.question, self.seen) {
            (Question::IsAtBridge, Seen::Nothing) => {
                sees("reads CLEARED", Seen::First(words.cleared));
            }
            (Question::IsAtBridge, Seen::First(cleared)) => {
                self.answers("reads BRIDGED", words.bridged != cleared, state, cpu, steps);
            }
            (Question::IsSettled, Seen::Nothing) if rules.reads_done_first => {
                sees("reads DONE", Seen::First(words.done));
            }
            (Question::IsSettled, Seen::Nothing) => {
                sees("reads STEERED", Seen::First(words.steered));
            }
            (Question::IsSettled, Seen::First(first)) => {
                let second = if rules.reads_done_first { words.steered } else { words.done };
                if first == second {
                    return self.answers("reads as many again", true, state, cpu, steps);
                }
                let steered = if rules.reads_done_first { second } else { first };
                sees("reads that fewer are done", Seen::Waits(steered));
            }
            (Question::IsSettled, Seen::Waits(steered)) => {
                if words.done == steered {
                    sees("waits until as many are DONE", Seen::Waited(steered));
                }
                self.answers("waits no longer", false, state, cpu, steps);
            }
            (Question::IsSettled, Seen::Waited(steered)) => {
                let same = words.steered == steered;
                self.answers("reads STEERED again", same, state, cpu, steps);
            }
            (Question::TakesRoom, _) => {
                let mut next = *state;
                next.words.steered = words.steered.wrapping_add(1);
                self.answers("raises STEERED", true, &next, cpu, steps);
            }
            (Question::IsAtBridge, _) => {}
        }
    }

    fn answers(
        self,
        does: &'static str,
        answer: bool,
        state: &State,
        cpu: usize,
        steps: &mut Steps,
    ) {
        let mut next = *state;
        let answers = self.answers.and(self.question, answer);
        next.cpus[cpu].gate = Gate::goes_on(self.frame, self.told, answers);
        steps.add(By::Machine, (Who::Cpu(cpu), does, Some(self.frame)), next);
    }
}

/// What may become of a frame that the gate has decided about.
fn leave(state: &State, cpu: usize, rules: &Rules, (frame, way): (u8, Way), steps: &mut Steps) {
    let mut next = *state;
    next.cpus[cpu].gate = Gate::Idle;
    let does = |does| (Who::Cpu(cpu), does, Some(frame));
    match way {
        Way::Counts => {
            next.words.bridged += 1;
            next.cpus[cpu].gate = Gate::Leaves { frame, way: Way::Bridge };
            steps.add(By::Machine, does("raises BRIDGED"), next);
        }
        Way::Bridge => {
            next.stands_at(rules.receiver_spreads_to.unwrap_or(cpu), frame);
            steps.add(By::Machine, does("passes to the bridge"), next);
        }
        Way::Express if rules.express_by_backlog => {
            next.stands_at(cpu, frame);
            steps.add(By::Machine, does("redirects to the device"), next);
        }
        Way::Express => steps.hands_over(does("hands over"), next, frame),
        Way::Worker { marked } => {
            let mut came = next;
            came.worker.ring.push((frame, marked));
            let mark = if marked { "marks and steers" } else { "steers" };
            steps.add(By::Machine, does(mark), came);
            if state.lost() < LOST {
                steps.add(By::World, does("loses behind the gate"), next);
            }
            next.words.steered = next.words.steered.wrapping_sub(1);
            steps.add(By::World, does("drops behind the gate"), next);
        }
    }
}
