//! The times of a cell: its beginning, its windows, its end, and all due events. Invariant: all parts
//! count from the same instant.

use std::time::{Duration, Instant};

use crate::spec::{Scene, Traffic, Window};

/// How long traffic that ends with a window goes on after it, so that it is still under way during the
/// window's last readings, which take their time.
const RUN_OUT: Duration = Duration::from_millis(100);
/// The rounding error of sums and products of seconds.
const ROUNDING: Duration = Duration::from_micros(1);

/// A window of the scene.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Span {
    pub(crate) fn seconds(&self) -> f64 {
        (self.to - self.from).as_secs_f64()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    pub(crate) origin: Instant,
    /// In order; they do not overlap.
    pub(crate) windows: Vec<Span>,
    /// The end of the last window: traffic without a `stop` ends soon after.
    pub(crate) end: Instant,
    pub(crate) slice: Duration,
}

/// The time of a traffic, and the windows within it.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    pub(crate) start: Instant,
    pub(crate) stop: Instant,
    pub(crate) windows: Vec<Span>,
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
        let span = |window: &Window| Span {
            name: window.name.clone(),
            from: origin + seconds(window.from),
            to: origin + seconds(window.to),
        };
        let windows: Vec<Span> = scene.window.iter().map(span).collect();
        let end = windows.iter().map(|window| window.to).max().unwrap_or(origin);
        // A thousand points are as fine as a figure can show.
        let finest = ((end - origin) / 1000).max(Duration::from_millis(1));
        Self { origin, windows, end, slice: seconds(scene.slice).max(finest) }
    }

    /// The instant `since` seconds after the beginning of the scene.
    fn at(&self, since: f64) -> Instant {
        self.origin + seconds(since)
    }

    /// The end of a traffic is a moment later than planned if a window ends with it, and no later window
    /// would notice.
    pub(crate) fn of(&self, traffic: &Traffic) -> Times {
        let start = self.at(traffic.start);
        let planned = traffic.stop.map_or(self.end, |stop| self.at(stop).min(self.end));
        let ends = self.windows.iter().any(|window| window.to == planned);
        let seen = |window: &Span| window.from < planned + RUN_OUT && window.to > planned;
        let more = if ends && !self.windows.iter().any(seen) { RUN_OUT } else { Duration::ZERO };
        let stop = planned + more;
        let within = |span: &&Span| span.from + ROUNDING >= start && span.to <= stop + ROUNDING;
        Times { start, stop, windows: self.windows.iter().filter(within).cloned().collect() }
    }

    /// All events, in order.
    pub(crate) fn agenda(&self, scene: &Scene) -> Vec<(Instant, Due)> {
        let mut agenda = Vec::new();
        for window in &self.windows {
            agenda.push((window.from, Due::WindowBegins));
            agenda.push((window.to, Due::WindowEnds));
        }
        let points = (0_u32..).map(|point| self.origin + self.slice * point);
        agenda.extend(points.take_while(|at| *at <= self.end).map(|at| (at, Due::Slice)));
        for (at, load) in scene.load.iter().enumerate() {
            agenda.push((self.at(load.start), Due::LoadStarts(at)));
            agenda.push((self.at(load.stop).min(self.end), Due::LoadStops(at)));
        }
        let steps = scene.step.iter().enumerate();
        agenda.extend(steps.map(|(at, step)| (self.at(step.at), Due::Step(at))));
        agenda.sort();
        agenda
    }
}

impl Times {
    /// The indices of the windows that contain an instant.
    pub(crate) fn around(&self, now: Instant) -> impl Iterator<Item = usize> {
        let within = move |span: &Span| span.from <= now && now < span.to;
        self.windows.iter().enumerate().filter(move |(_, span)| within(span)).map(|(at, _)| at)
    }
}

/// Rounded to the microsecond, so that a time computed in two ways is the same; a negative or invalid
/// number is the beginning.
fn seconds(seconds: f64) -> Duration {
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
