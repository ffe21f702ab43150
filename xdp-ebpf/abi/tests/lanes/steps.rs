//! What may happen next: a frame comes; the gate, a backlog, the worker or the clearing thread goes on; the
//! control side changes what the gate is told.
//! Invariant: a step reads or writes one word of shared memory, or no other CPU or thread can see the middle
//! of it.

use std::fmt;

use super::gate::Gate;
use super::rules::Rules;
use super::state::{CPUS, Clearing, Item, OTHER, State, Told, UNTOLD, is_of_flow};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    Cpu(usize),
    Worker,
    Clearing,
    Control,
}

/// Who does what, and to which frame.
pub(crate) type Event = (Who, &'static str, Option<u8>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// The machine makes such steps by itself, until nothing is under way.
    Machine,
    /// Such a step may happen, or not.
    World,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) by: By,
    pub(crate) event: Event,
    pub(crate) state: State,
    /// By how much the numbers of frames are lower in that state than before.
    pub(crate) renumbered: u8,
    /// A frame is delivered after one that was sent later, or for the second time.
    pub(crate) late: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Steps(pub(crate) Vec<Step>);

impl Steps {
    pub(crate) fn add(&mut self, by: By, event: Event, state: State) {
        self.push(by, event, state, false);
    }

    fn push(&mut self, by: By, event: Event, state: State, late: bool) {
        let (state, renumbered) = state.normal();
        self.0.push(Step { by, event, state, renumbered, late });
    }

    /// Delivers a frame by gate or worker, without a backlog.
    pub(crate) fn hands_over(&mut self, event: Event, mut state: State, frame: u8) {
        let late = frame < state.handed.max(state.arrived);
        state.handed = state.handed.max(frame + 1);
        self.push(By::Machine, event, state, late);
    }

    /// Delivers a frame out of a backlog. Two frames that both stood in backlogs are in the order that they
    /// would have without weir.
    fn arrives(&mut self, event: Event, mut state: State, frame: u8) {
        let late = frame < state.handed;
        state.arrived = state.arrived.max(frame + 1);
        self.push(By::Machine, event, state, late);
    }
}

/// All steps from a state.
pub(crate) fn of(state: &State, rules: &Rules, steps: &mut Steps) {
    steps.0.clear();
    if rules.changes {
        control(state, rules, steps);
    }
    for cpu in 0..CPUS {
        Gate::steps(state, cpu, rules, steps);
        if state.cpus[cpu].gate == Gate::Idle {
            source(state, cpu, rules, steps);
            backlog(state, cpu, steps);
        }
    }
    gathers(state, rules, steps);
    sends(state, rules, steps);
    tells(state, rules, steps);
    clears(state, rules, steps);
}

/// Takes the destination away from the gate, and gives it back. Before that it raises BRIDGED, since the gate
/// has not counted the frames that went by the bridge meanwhile.
fn control(state: &State, rules: &Rules, steps: &mut Steps) {
    let does = |does| (Who::Control, does, None);
    if state.changing {
        let next = State { elsewhere: false, changing: false, ..*state };
        return steps.add(By::Machine, does("stores that the destination is the gate's"), next);
    }
    let mut next = State { changing: true, ..*state };
    next.words.bridged += u8::from(rules.holds_before_change);
    steps.add(By::World, does("raises BRIDGED"), next);
    if !state.elsewhere {
        let next = State { elsewhere: true, ..*state };
        steps.add(By::World, does("stores that the destination is not the gate's"), next);
    }
}

/// Brings the next frame to the gate, on either CPU, once the one before has left the gate. The gate reads in
/// the same step what it is told: until then the frame has changed no word and stands in no queue.
fn source(state: &State, cpu: usize, rules: &Rules, steps: &mut Steps) {
    let mut comes = |frame, told: Told, sent: &State| {
        let mut next = *sent;
        next.cpus[cpu].gate = Gate::begins(frame, told);
        steps.add(By::World, (Who::Cpu(cpu), told.name(), Some(frame)), next);
    };
    if state.next < rules.window && !state.is_at_gate(is_of_flow) {
        let told: &[Told] = match state.elsewhere {
            true => &[Told::Elsewhere],
            false => &[Told::Unknown, Told::Scheduled, Told::Express],
        };
        for &told in told {
            // The gate can hold nothing back: see `the_bridge_may_overtake_a_worker`.
            let waits = told.is_the_bridges() && state.is_at_worker(is_of_flow);
            if !waits || rules.bridges_any_time {
                comes(state.next, told, &State { next: state.next + 1, ..*state });
            }
        }
    }
    let is_other = |frame| frame == OTHER;
    if rules.has_another_flow && !state.is_at_gate(is_other) && !state.is_at_worker(is_other) {
        comes(OTHER, Told::Scheduled, state);
    }
}

/// Takes the first frame out of a CPU's backlog: in the same soft interrupt as the gate, so one after the
/// other. For fences see `normal.rs`.
fn backlog(state: &State, cpu: usize, steps: &mut Steps) {
    let mut next = *state;
    if let Some(Item::Frame(frame)) = next.cpus[cpu].backlog.pop() {
        steps.arrives((Who::Cpu(cpu), "takes out of its backlog", Some(frame)), next, frame);
    }
}

/// The worker takes a frame out of the ring, or lets one go that it has held. It reads BRIDGED, and then
/// CLEARED. As CLEARED only rises, one step stands for both.
fn gathers(state: &State, rules: &Rules, steps: &mut Steps) {
    let words = &state.words;
    let mut next = *state;
    if let Some((frame, marked)) = next.worker.ring.pop() {
        next.words.came = words.came.wrapping_add(1);
        let follows = !state.worker.held.is_empty() && rules.holds_followers;
        let marked = marked && rules.holds_marked;
        let what = if follows || marked && words.bridged != words.cleared {
            next.worker.held.push((frame, words.bridged));
            "holds"
        } else {
            queue(&mut next, frame, rules);
            "takes out of the ring"
        };
        steps.add(By::Machine, (Who::Worker, what, Some(frame)), next);
    }
    let mut next = *state;
    if let Some((frame, bridged)) = next.worker.held.pop()
        && bridged <= words.cleared
    {
        queue(&mut next, frame, rules);
        steps.add(By::Machine, (Who::Worker, "no longer holds", Some(frame)), next);
    }
}

fn queue(state: &mut State, frame: u8, rules: &Rules) {
    match frame {
        OTHER => state.worker.queued_other = true,
        frame => state.worker.queued.push(frame),
    }
    state.worker.untold += u8::from(!rules.tells_after_sending);
}

/// The worker sends a frame, and `sendto` returns.
fn sends(state: &State, rules: &Rules, steps: &mut Steps) {
    if rules.tells_after_sending && state.worker.untold == UNTOLD {
        return;
    }
    let mut sent = *state;
    sent.worker.untold += u8::from(rules.tells_after_sending);
    let mut next = sent;
    if std::mem::take(&mut next.worker.queued_other) {
        steps.add(By::Machine, (Who::Worker, "sends", Some(OTHER)), next);
    }
    let mut next = sent;
    if let Some(frame) = next.worker.queued.pop() {
        let event = (Who::Worker, "sends", Some(frame));
        match rules.receiver_spreads_to.filter(|_| rules.sends_by_backlog) {
            Some(cpu) => {
                next.stands_at(cpu, frame);
                steps.add(By::Machine, event, next);
            }
            None => steps.hands_over(event, next, frame),
        }
    }
}

/// The worker raises DONE by frames that it has sent, or by those that were lost before the ring.
fn tells(state: &State, rules: &Rules, steps: &mut Steps) {
    let words = &state.words;
    let mut next = *state;
    if state.worker.untold > 0 {
        next.worker.untold -= 1;
        next.words.done = words.done.wrapping_add(1);
        steps.add(By::Machine, (Who::Worker, "raises DONE", None), next);
    }
    let mut next = *state;
    let lost = words.steered.wrapping_sub(words.came);
    // Nothing was steered for so long that every frame that is not lost is in the ring by now.
    let quiet = !state.cpus.iter().any(|cpu| cpu.gate.is_steering());
    if lost != 0 && state.worker.ring.is_empty() && (quiet || !rules.forgives_when_quiet) {
        next.words.came = words.steered;
        next.words.done = words.done.wrapping_add(lost);
        steps.add(By::Machine, (Who::Worker, "adds what was lost to DONE", None), next);
    }
}

/// The thread that sends fences.
fn clears(state: &State, rules: &Rules, steps: &mut Steps) {
    let mut next = *state;
    let mut does = |does, next| steps.add(By::Machine, (Who::Clearing, does, None), next);
    let words = &state.words;
    let Clearing::Round { bridged, round, visited } = state.clearing else {
        let waits = state.changing && rules.clears_around_change;
        if words.bridged != words.cleared && !waits {
            next.clearing = Clearing::Round { bridged: words.bridged, round: 0, visited: 0 };
            does("reads BRIDGED", next);
        }
        return;
    };
    let cpu = usize::from(visited);
    if round == rules.rounds {
        next.clearing = Clearing::Idle;
        next.words.cleared = if rules.reads_before_rounds { bridged } else { words.bridged };
        does("stores CLEARED", next);
    } else if cpu == CPUS {
        let mut backlogs = state.cpus.iter().flat_map(|cpu| cpu.backlog.iter());
        if !backlogs.any(|item| item == Item::Fence) {
            next.clearing = Clearing::Round { bridged, round: round + 1, visited: 0 };
            does("has seen both fences come", next);
        }
    } else if state.cpus[cpu].gate == Gate::Idle {
        // A thread runs on a CPU only while no soft interrupt does.
        next.cpus[cpu].backlog.push(Item::Fence);
        next.clearing = Clearing::Round { bridged, round, visited: visited + 1 };
        does(["sends a fence on CPU 0", "sends a fence on CPU 1"][cpu], next);
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(cpu) => write!(f, "CPU {cpu}"),
            Self::Worker => f.write_str("worker"),
            Self::Clearing => f.write_str("clearing"),
            Self::Control => f.write_str("control"),
        }
    }
}
