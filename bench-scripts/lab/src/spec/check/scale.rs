//! Rates that fit the machine. Invariant: scaled results can be drawn and judged: no axis and no ratio
//! of unlike quantities needs to know the scale.

use super::scene::above_zero;
use crate::cell::Cell;
use crate::spec::problem::{Checked, must, require};
use crate::spec::quantity::is_rate;
use crate::spec::{Check, Experiment, Scale};

/// `cells` of the full and of the quick effort.
pub(super) fn check(experiment: &Experiment, cells: [&[Cell]; 2]) -> Checked {
    let Some(scale) = &experiment.scale else { return Ok(()) };
    head(scale)?;
    let mut all = cells.iter().flat_map(|cells| cells.iter());
    let rates = all.any(|cell| !cell.scene.rates_listed().is_empty());
    require(rates, "scale", "no scene here has a rate: take this out")?;
    let what = "$x makes a rate here, and the axis would not show which one: take this out, or vary \
                something else";
    for cells in cells {
        require(!cells.iter().any(|cell| rate_varies(cell, cells)), "scale", what)?;
    }
    let what =
        "with [scale] a rate is divided by a rate, and nothing else is: choose another quantity";
    for (index, check) in experiment.check.iter().enumerate() {
        require(is_alike(check), &format!("check.{index}.over"), what)?;
    }
    Ok(())
}

fn head(scale: &Scale) -> Checked {
    let Scale { mbit, pps, share } = *scale;
    let what = "write what the rates ask of weir's worker: mbit of TCP that it cuts, or pps that it \
                forwards, one of both";
    require(mbit.is_some() != pps.is_some(), "scale", what)?;
    above_zero(mbit, "scale.mbit", "a rate in Mb/s")?;
    above_zero(pps, "scale.pps", "frames a second")?;
    must(share > 0.0 && share <= 1.0, "scale.share", || {
        format!("{share} is no share: write a part of what the worker manages, above 0 and up to 1")
    })
}

/// Whether another value of x gives other rates.
fn rate_varies(cell: &Cell, cells: &[Cell]) -> bool {
    let rates = cell.scene.rates_listed();
    let mut others = cells.iter().filter(|other| other.place.variant == cell.place.variant);
    others.any(|other| other.scene.rates_listed() != rates)
}

fn is_alike(check: &Check) -> bool {
    let rate = is_rate(&check.value.quantity);
    check.over.as_ref().is_none_or(|over| is_rate(&over.quantity) == rate)
}
