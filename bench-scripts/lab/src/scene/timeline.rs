//! The times of a cell: its beginning, its windows, its end, and all due events. Invariant: all parts
//! count from the same instant.

use std::time::{Duration, Instant};

use crate::spec::{Scene, Traffic};

/// How long traffic that ends with a window goes on after it, so that it is still under way during the
/// window's last readings, which take their time.
const RUN_OUT: Duration = Duration::from_millis(100);

/// A window of the scene.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    pub(crate) origin: Instant,
    /// In order; they do not overlap.
    pub(crate) windows: Vec<Span>,
    /// The end of the last window: traffic without a `stop` ends soon after.
    pub(crate) end: Duration,
    pub(crate) slice: Duration,
}

/// An event at its time. The order of the variants is the order of events of the same instant: ends are
/// read before anything changes, and beginnings follow after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    WindowEnds,
    Slice,
    LoadStops(usize),
    Step(usize),
    LoadStarts(usize),
    WindowBegins,
}

impl Timeline {
    pub(crate) fn new(scene: &Scene, origin: Instant) -> Self {
        let span = |window: &crate::spec::Window| Span {
            name: window.name.clone(),
            from: seconds(window.from),
            to: seconds(window.to),
        };
        let windows: Vec<Span> = scene.window.iter().map(span).collect();
        let end = windows.iter().map(|window| window.to).max().unwrap_or_default();
        // A thousand points are as fine as a figure can show.
        let slice = seconds(scene.slice).max(end / 1000).max(Duration::from_millis(1));
        Self { origin, windows, end, slice }
    }

    /// The instant `since` after the beginning of the scene.
    pub(crate) fn at(&self, since: Duration) -> Instant {
        self.origin + since
    }

    /// The beginning and the end of a traffic. The end is a moment later than planned if a window ends
    /// with it, and no later window would notice.
    pub(crate) fn of(&self, traffic: &Traffic) -> (Instant, Instant) {
        let stop = traffic.stop.map_or(self.end, |stop| seconds(stop).min(self.end));
        let ends = self.windows.iter().any(|window| window.to == stop);
        let seen = |window: &Span| window.from < stop + RUN_OUT && window.to > stop;
        let more = if ends && !self.windows.iter().any(seen) { RUN_OUT } else { Duration::ZERO };
        (self.at(seconds(traffic.start)), self.at(stop + more))
    }

    /// All events, in order.
    pub(crate) fn agenda(&self, scene: &Scene) -> Vec<(Duration, Due)> {
        let mut agenda = Vec::new();
        for window in &self.windows {
            agenda.push((window.from, Due::WindowBegins));
            agenda.push((window.to, Due::WindowEnds));
        }
        let points = (0_u32..).map(|point| self.slice * point);
        agenda.extend(points.take_while(|at| *at <= self.end).map(|at| (at, Due::Slice)));
        for (at, load) in scene.load.iter().enumerate() {
            agenda.push((seconds(load.start), Due::LoadStarts(at)));
            agenda.push((seconds(load.stop).min(self.end), Due::LoadStops(at)));
        }
        let steps = scene.step.iter().enumerate();
        agenda.extend(steps.map(|(at, step)| (seconds(step.at), Due::Step(at))));
        agenda.sort();
        agenda
    }
}

/// Rounded to the microsecond, so that a time computed in two ways is the same; a negative or invalid
/// number is the beginning.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_micros((seconds * 1e6).round() as u64)
}

/// The weights of the last step up to a time of the scene; empty before the first, while the scene's
/// own apply.
pub(crate) fn weights(scene: &Scene, from: f64) -> &[u32] {
    let steps = scene.step.iter().filter(|step| step.at <= from + 1e-6);
    let last = steps.max_by(|a, b| a.at.total_cmp(&b.at));
    last.map_or(&[], |step| step.weights.as_slice())
}

#[cfg(test)]
mod tests;
