//! Estimates the duration. Invariant: an estimate, never a bound; every measured cell improves it.

use crate::cell::Cell;
use crate::spec::Scene;

/// A cell's time beyond its scene, before any measurement: namespaces, starting and stopping, waiting
/// until every path works.
const USUAL_OVERHEAD_S: f64 = 2.0;
/// The weight of the last cell's overhead; the next experiment's beds may be of another size.
const NEWEST: f64 = 0.2;

/// Seconds of the scene itself.
#[must_use]
pub(super) fn length_s(scene: &Scene) -> f64 {
    scene.window.iter().map(|window| window.to).fold(0.0, f64::max)
}

/// The cells' time beyond their scenes, learned from finished ones.
#[derive(Clone, Copy, Debug)]
pub struct Overhead {
    mean_s: f64,
}

impl Default for Overhead {
    fn default() -> Self {
        Self { mean_s: USUAL_OVERHEAD_S }
    }
}

impl Overhead {
    pub(super) fn learn(&mut self, scene: &Scene, took_s: f64) {
        let beyond = (took_s - length_s(scene)).max(0.0);
        self.mean_s += NEWEST * (beyond - self.mean_s);
    }

    /// The estimate in seconds for cells.
    #[must_use]
    pub fn expected_s<'a>(&self, cells: impl IntoIterator<Item = &'a Cell>) -> f64 {
        cells.into_iter().map(|cell| length_s(&cell.scene) + self.mean_s).sum()
    }
}

/// `45 s`, `12 min`, `5 h 10 min`.
#[must_use]
pub fn spoken(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    // Rounded up, so that the end is never promised too early.
    let minutes = seconds.div_ceil(60);
    match (seconds, minutes) {
        (..100, _) => format!("{seconds} s"),
        (_, ..100) => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests;
