//! Measures one cell after the other, whatever the result of each.
//!
//! Invariant: the player of cells is a parameter; nothing here depends on the contents of a cell.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::plan::{Overhead, Planned, fair, spoken};
use super::screen::{Screen, count, named, shortened};
use super::store::{self, Store};
use super::{Ended, Failure, Finished, Machine, Orders, Results};
use crate::cell::{Cell, Measured, Outcome};
use crate::spec::{Capacity, Experiment, Scaled};
use crate::verdict::{Verdict, judge_all};

/// Measures a cell.
pub(super) type Player<'a> = dyn FnMut(&Cell) -> Result<Outcome> + 'a;

pub(super) struct Campaign<'a> {
    pub(super) orders: &'a Orders,
    /// The folder of results.
    pub(super) folder: &'a Path,
    pub(super) machine: Machine,
    /// The fingerprint of weir.
    pub(super) weir: String,
    pub(super) interrupted: &'a dyn Fn() -> bool,
    pub(super) screen: Screen<'a>,
    pub(super) overhead: Overhead,
}

/// A quick run has few repetitions, and one disturbed by the machine can fail a valid check. So failing
/// cells are measured again, up to this many times in all, and the medians are judged.
const QUICK_MOST: u32 = 3;

/// The remaining work of an experiment.
struct Todo {
    /// At its scale, and with the added repetitions.
    experiment: Experiment,
    scale: Option<Scaled>,
    store: Store,
    /// All cells in the order of the file, except that added repetitions come last.
    cells: Vec<Cell>,
    /// Those that are to be measured, in the order of measurement.
    order: Vec<Cell>,
    /// By the cell's key: those that are stored, and those of `failures`.
    measured: BTreeMap<String, Measured>,
    failures: Vec<Failure>,
}

impl Todo {
    /// Adds cells. They are to be measured if they are wanted, and not stored or to be measured again.
    fn add(
        &mut self,
        cells: impl IntoIterator<Item = Cell>,
        wanted: impl Fn(&Cell) -> bool,
        orders: &Orders,
    ) {
        let mut order = Vec::new();
        for cell in cells {
            let wanted = wanted(&cell);
            match self.store.find(&cell).filter(|_| !(wanted && orders.again)) {
                Some(measured) => drop(self.measured.insert(cell.place.key(), measured)),
                None if wanted => order.push(cell.clone()),
                None => {}
            }
            self.cells.push(cell);
        }
        self.order = fair(order, orders.seed);
    }

    fn measured(&self, cell: &Cell) -> Option<&Measured> {
        self.measured.get(&cell.place.key())
    }
}

impl Campaign<'_> {
    pub(super) fn run(&mut self, planned: &[Planned<'_>], play: &mut Player<'_>) -> Result<Ended> {
        let began = Instant::now();
        let capacity = self.measure(planned, play)?;
        let mut todo: Vec<Todo> =
            planned.iter().map(|planned| self.look(planned, &capacity)).collect::<Result<_>>()?;
        let (mut finished, mut interrupted) = (Vec::new(), None);
        for at in 0..todo.len() {
            let (now, later) = todo.split_at_mut(at + 1);
            let Some(now) = now.last_mut() else { break };
            let later: Vec<&Cell> = later.iter().flat_map(|todo| &todo.order).collect();
            let Some(done) = self.experiment(now, &later, play)? else {
                let kept = todo.iter().map(|todo| todo.measured.len() - todo.failures.len()).sum();
                interrupted = Some((kept, todo.iter().map(|todo| todo.cells.len()).sum()));
                break;
            };
            finished.push(done);
        }
        self.screen.bar.finish_and_clear();
        let holds = finished.iter().all(Finished::holds);
        Ok(Ended { holds, finished, interrupted, seconds: began.elapsed().as_secs_f64() })
    }

    /// Finds the stored cells.
    fn look(&mut self, planned: &Planned<'_>, capacity: &Capacity) -> Result<Todo> {
        let (id, orders) = (&planned.experiment.id, self.orders);
        let store = Store::new(self.folder, id, orders.quick, &self.machine, &self.weir);
        let (mut experiment, mut cells) = (planned.experiment.clone(), planned.cells.clone());
        let mut scale = None;
        if let Some(asked) = &planned.experiment.scale {
            scale = store.settle(asked.fitted(capacity), orders.again)?;
            experiment = experiment.at_scale(scale.map_or(1.0, |scale| scale.factor));
            cells = experiment.cells(orders.quick)?;
        }
        let mut todo = Todo {
            experiment,
            scale,
            store,
            cells: Vec::new(),
            order: Vec::new(),
            measured: BTreeMap::new(),
            failures: Vec::new(),
        };
        let wanted = |cell: &Cell| orders.wants(&cell.place.peer);
        todo.add(cells, wanted, orders);
        let all = todo.cells.iter().filter(|cell| wanted(cell)).count();
        let taken = all - todo.order.len();
        if taken > 0 {
            self.screen.bar.inc(taken as u64);
            self.screen
                .note(&format!("{id}: {taken} of {all} cells are kept and not measured again"));
        }
        Ok(todo)
    }

    /// `None`: interrupted.
    fn experiment(
        &mut self,
        todo: &mut Todo,
        later: &[&Cell],
        play: &mut Player<'_>,
    ) -> Result<Option<Finished>> {
        let (began, mut cells) = (Instant::now(), 0);
        loop {
            cells += todo.order.len();
            if !self.pass(todo, later, play)? {
                return Ok(None);
            }
            let finished = self.finish(todo, cells, began)?;
            if !self.repeat(todo, &finished)? {
                self.tell(&todo.experiment, &finished);
                return Ok(Some(finished));
            }
        }
    }

    /// Plans two more repetitions if a quick run is in doubt; false if it is not, or if they have been
    /// made.
    fn repeat(&mut self, todo: &mut Todo, finished: &Finished) -> Result<bool> {
        let verdicts = finished.verdicts.iter();
        let doubtful: Vec<&Verdict> =
            verdicts.filter(|verdict| verdict.fails() && verdict.number.is_some()).collect();
        let made = todo.experiment.quick.repetitions;
        let whole = finished.failures.is_empty() && finished.results.is_some();
        if !self.orders.quick || made >= QUICK_MOST || !whole || doubtful.is_empty() {
            return Ok(false);
        }
        todo.experiment.quick.repetitions = QUICK_MOST;
        let mut more = todo.experiment.cells(true)?;
        more.retain(|cell| cell.place.repetition >= made);
        todo.add(more, |_| true, self.orders);
        for verdict in doubtful {
            self.screen.note(&format!("{}: in doubt: {}", todo.experiment.id, verdict.what));
        }
        self.screen.bar.inc_length(todo.order.len() as u64);
        Ok(true)
    }

    /// Plays all remaining cells; false: interrupted.
    fn pass(&mut self, todo: &mut Todo, later: &[&Cell], play: &mut Player<'_>) -> Result<bool> {
        let experiment = &todo.experiment;
        for (number, cell) in todo.order.iter().enumerate() {
            let rest = || todo.order.iter().skip(number + 1).chain(later.iter().copied());
            let name = named(&cell.place, experiment, self.orders.quick);
            let left = self.overhead.expected_s(rest().chain([cell]));
            self.screen.begin(&name, left);
            let (measured, how) = match self.cell(cell, &name, play) {
                Ok(None) => return Ok(false),
                Ok(Some(measured)) => {
                    todo.store.keep(cell, &measured)?;
                    self.overhead.learn(&cell.scene, measured.took_s);
                    let how = format!("{:.1} s", measured.took_s);
                    (measured, how)
                }
                Err(error) => {
                    todo.store.forget(cell)?;
                    self.screen.note(&format!("{name} cannot be measured: {error:#}"));
                    let error = shortened(&format!("{error:#}"), 300);
                    todo.failures.push(Failure { cell: name.clone(), error: error.clone() });
                    (failed(cell, error), "FAILED twice".to_owned())
                }
            };
            todo.measured.insert(cell.place.key(), measured);
            self.screen.over(&name, &how, self.overhead.expected_s(rest()));
        }
        Ok(true)
    }

    /// `None`: interrupted. A machine may fail once by accident; a second failure counts.
    pub(super) fn cell(
        &mut self,
        cell: &Cell,
        name: &str,
        play: &mut Player<'_>,
    ) -> Result<Option<Measured>> {
        let mut again = true;
        loop {
            if (self.interrupted)() {
                return Ok(None);
            }
            let (began_unix_s, began) = (unix_now(), Instant::now());
            let result = play(cell);
            // A measurement made while everything was being taken down is worthless.
            if (self.interrupted)() {
                return Ok(None);
            }
            match result {
                Ok(outcome) => {
                    return Ok(Some(Measured {
                        place: cell.place.clone(),
                        outcome: finite(outcome),
                        began_unix_s,
                        took_s: began.elapsed().as_secs_f64(),
                    }));
                }
                Err(error) if again => {
                    let why = shortened(&format!("{error:#}"), 300);
                    self.screen.note(&format!("{name} failed, and is tried once more: {why}"));
                    again = false;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Judges the measurements, and writes them if they are complete.
    fn finish(&self, todo: &Todo, cells: usize, began: Instant) -> Result<Finished> {
        let (experiment, quick) = (&todo.experiment, self.orders.quick);
        let measured: Vec<Measured> =
            todo.cells.iter().filter_map(|cell| todo.measured(cell).cloned()).collect();
        let verdicts = judge(todo, &measured, quick);
        let mut results = None;
        if measured.len() == todo.cells.len() {
            let whole = Results {
                version: store::VERSION,
                id: experiment.id.clone(),
                quick,
                seed: self.orders.seed,
                machine: self.machine.clone(),
                scale: todo.scale,
                file: experiment.text.clone(),
                measured,
                verdicts: verdicts.clone(),
            };
            results = Some(store::write_results(self.folder, &whole)?);
        }
        Ok(Finished {
            id: experiment.id.clone(),
            quick,
            scale: todo.scale,
            cells,
            seconds: began.elapsed().as_secs_f64(),
            results,
            failures: todo.failures.clone(),
            verdicts,
        })
    }

    fn tell(&mut self, experiment: &Experiment, finished: &Finished) {
        let how = match finished.cells {
            0 => "everything is kept".to_owned(),
            cells => format!("{} in {}", count(cells, "cell"), spoken(finished.seconds)),
        };
        self.screen.finding(&format!("\n{} {}: {how}", experiment.id, experiment.title));
        if let Some(scale) = finished.scale.filter(Scaled::is_lower) {
            self.screen.finding(&scale.sentence());
        }
        for verdict in &finished.verdicts {
            self.screen.finding(&verdict.line());
        }
        if finished.results.is_none() {
            let why = "the other peers' cells are not there: judged is what can be, and no results are written";
            self.screen.finding(why);
        }
    }
}

/// Only checks whose peers are complete: with `--only`, others may not be measured.
fn judge(todo: &Todo, measured: &[Measured], quick: bool) -> Vec<Verdict> {
    let lacks = |peer: &str| {
        todo.cells.iter().any(|cell| cell.peer.name == peer && todo.measured(cell).is_none())
    };
    let mut some = todo.experiment.clone();
    some.check.retain(|check| !check.picks().any(|(_, pick)| lacks(&pick.peer)));
    judge_all(&some, measured, quick)
}

/// Seconds since 1970.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Takes the place of a cell that could not be measured.
fn failed(cell: &Cell, error: String) -> Measured {
    let notes = vec![format!("could not be measured: {error}")];
    Measured {
        place: cell.place.clone(),
        outcome: Outcome { notes, ..Outcome::default() },
        began_unix_s: unix_now(),
        took_s: 0.0,
    }
}

/// Removes numbers that are not finite: JSON has none, and they would mean nothing.
fn finite(mut outcome: Outcome) -> Outcome {
    let odd = outcome.values.extract_if(.., |_, value| !value.is_finite());
    let mut strange: Vec<String> = odd.map(|(name, _)| name).collect();
    for (name, points) in &mut outcome.series {
        let odd = points.extract_if(.., |(t, value)| !t.is_finite() || !value.is_finite());
        if odd.count() > 0 {
            strange.push(name.clone());
        }
    }
    outcome.notes.extend(strange.iter().map(|name| format!("{name} came out as no number")));
    outcome
}
