//! The search, breadth first: it looks once at every state that can be reached, and finds an error by a
//! shortest path to it.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::rules::Rules;
use super::state::{OTHER, State};
use super::steps::{self, By, Step, Steps};

pub(crate) const OVERTAKEN: &str = "a frame is delivered after one that was sent later";
const STUCK: &str = "something is under way, and nothing can happen to it";
const ENDLESS: &str = "something can go on for ever";

/// The result of a search that has found no error.
#[derive(Debug, Default)]
pub(crate) struct Searched {
    pub(crate) states: usize,
    /// The events that have happened.
    pub(crate) happened: BTreeSet<&'static str>,
}

#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: &'static str,
    /// The steps that lead to the error, one a line.
    pub(crate) trace: String,
}

/// For each state: the state from which it was reached first, and by which of that one's steps.
type Reached = Vec<(u32, u8)>;

/// Searches all states that can be reached under these rules.
pub(crate) fn search(rules: &Rules) -> Result<Searched, Wrong> {
    let mut known: HashMap<State, u32, BuildHasherDefault<Mix>> = HashMap::default();
    let mut reached: Reached = vec![(0, 0)];
    let mut front = vec![(State::default(), 0)];
    let mut happened = BTreeSet::new();
    let mut steps = Steps::default();
    known.insert(State::default(), 0);
    while !front.is_empty() {
        for (state, from) in std::mem::take(&mut front) {
            steps::of(&state, rules, &mut steps);
            if let Some((what, nth)) = wrong(&state, &steps) {
                let trace = trace(&reached, from, nth, rules);
                return Err(Wrong { what, trace: format!("{what}:\n{trace}") });
            }
            for (nth, step) in steps.0.iter().enumerate() {
                let new = reached.len() as u32;
                happened.insert(step.event.1);
                if *known.entry(step.state).or_insert(new) == new {
                    reached.push((from, nth as u8));
                    front.push((step.state, new));
                }
            }
        }
    }
    Ok(Searched { states: reached.len(), happened })
}

/// What is wrong with a state or with one of its steps.
fn wrong(state: &State, steps: &Steps) -> Option<(&'static str, Option<u8>)> {
    if !steps.0.iter().any(|step| step.by == By::Machine) && !state.is_at_rest() {
        return Some((STUCK, None));
    }
    steps.0.iter().zip(0..).find_map(|(step, nth)| {
        let endless = step.by == By::Machine && step.state.ahead() >= state.ahead();
        let what = step.late.then_some(OVERTAKEN).or(endless.then_some(ENDLESS))?;
        Some((what, Some(nth)))
    })
}

/// The steps to a state, and one more.
fn trace(reached: &Reached, mut at: u32, last: Option<u8>, rules: &Rules) -> String {
    let mut way: Vec<u8> = last.into_iter().collect();
    while at != 0 {
        let (from, nth) = reached[at as usize];
        way.push(nth);
        at = from;
    }
    let mut trace = String::new();
    let (mut state, mut first) = (State::default(), 0);
    let mut steps = Steps::default();
    for nth in way.iter().rev() {
        steps::of(&state, rules, &mut steps);
        let Step { event: (who, does, frame), state: next, renumbered, .. } =
            steps.0[usize::from(*nth)];
        let frame = match frame {
            None => String::new(),
            Some(OTHER) => "of another flow".to_owned(),
            Some(frame) => format!("frame {}", first + u32::from(frame)),
        };
        trace += &format!("  {:<9} {frame:<16} {does}\n", who.to_string());
        (state, first) = (next, first + u32::from(renumbered));
    }
    trace
}

/// A hash that is good enough for states, and quick in a build without optimisation.
#[derive(Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }
    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    fn write_isize(&mut self, word: isize) {
        self.write_u8(word as u8);
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u8(word as u8);
    }
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
