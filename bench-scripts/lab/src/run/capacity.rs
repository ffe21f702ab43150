//! Measures what weir's worker can do on this machine: once in a run, before the first experiment that
//! fits its rates to it.
//!
//! Invariant: measured as cells are: two scenes, played like all others. The worst of several windows
//! counts: rates must fit whatever else the machine does meanwhile.

use anyhow::{Context, Result, ensure};

use super::campaign::{Campaign, Player};
use super::plan::{Overhead, Planned};
use crate::cell::{Cell, Measured, Outcome, Place};
use crate::spec::{Capacity, Peer, Scale, Scene};

/// Single frames, more than any worker can take.
const FRAMES: &str = r#"
vms = 1
traffic = [{ kind = "live", from = "vm1", to = "uplink", frame = 64 }]
window = [
    { name = "w1", from = 0.3, to = 0.7 },
    { name = "w2", from = 0.7, to = 1.1 },
    { name = "w3", from = 1.1, to = 1.5 },
    { name = "w4", from = 1.5, to = 1.9 },
    { name = "w5", from = 1.9, to = 2.3 },
]
"#;

/// Every frame goes to the worker: the worker is measured.
const WEIR: &str = r#"
name = "weir"
kind = "weir"
lane = "scheduled"
"#;

/// Superframes towards a link with a rate that is never reached: without a rate they would not be cut.
const TCP: &str = r#"
vms = 1
link = 100_000
traffic = [{ kind = "tcp", from = "vm1", to = "uplink" }]
window = [
    { name = "w1", from = 0.6, to = 1.1 },
    { name = "w2", from = 1.1, to = 1.6 },
    { name = "w3", from = 1.6, to = 2.1 },
    { name = "w4", from = 2.1, to = 2.6 },
    { name = "w5", from = 2.6, to = 3.1 },
]
"#;

/// Both scenes' cells, in the order in which they are needed.
pub(super) fn cells<'s>(scales: impl Iterator<Item = &'s Scale> + Clone) -> Result<Vec<Cell>> {
    let asked = [
        ("frames", FRAMES, scales.clone().any(|scale| scale.pps.is_some())),
        ("tcp", TCP, scales.clone().any(|scale| scale.mbit.is_some())),
    ];
    let cell = |(name, scene, _): (&str, &str, bool)| {
        let scene: Scene = toml::from_str(scene).context("a scene of this program's own")?;
        let peer: Peer = toml::from_str(WEIR).context("this program's own peer")?;
        let (experiment, name) = ("capacity".to_owned(), name.to_owned());
        Ok(Cell { place: Place { experiment, peer: name, ..Place::default() }, peer, scene })
    };
    asked.into_iter().filter(|(_, _, asked)| *asked).map(cell).collect()
}

impl Campaign<'_> {
    /// Measures what the planned experiments need; less if interrupted.
    pub(super) fn measure(
        &mut self,
        planned: &[Planned<'_>],
        play: &mut Player<'_>,
    ) -> Result<Capacity> {
        let scales = planned.iter().filter_map(|planned| planned.experiment.scale.as_ref());
        let mut capacity = Capacity::default();
        for cell in cells(scales)? {
            let name = format!("what weir's worker manages, {}", cell.place.peer);
            self.screen.begin(&name, Overhead::USUAL.expected_s([&cell]));
            let measured = self.cell(&cell, &name, play).with_context(|| name.clone())?;
            let Some(Measured { outcome, .. }) = measured else { return Ok(capacity) };
            let scene = &cell.scene;
            if scene.link.is_some() {
                capacity.mbit = Some(least(&outcome, scene, "mbit").context(name)?);
            } else {
                capacity.pps = Some(least(&outcome, scene, "kpps").context(name)? * 1000.0);
            }
        }
        if capacity != Capacity::default() {
            self.screen.finding(&format!("this machine's worker {capacity}"));
        }
        Ok(capacity)
    }
}

fn least(outcome: &Outcome, scene: &Scene, what: &str) -> Result<f64> {
    let names = scene.window.iter().map(|window| format!("{}.all.{what}", window.name));
    let values = names.map(|name| outcome.values.get(&name).copied().unwrap_or_default());
    let least = values.reduce(f64::min).unwrap_or_default();
    ensure!(least > 0.0, "nothing came through weir: no rate can be fitted to that");
    Ok(least)
}

#[cfg(test)]
mod tests;
