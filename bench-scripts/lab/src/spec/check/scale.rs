//! Rates that fit the machine. Invariant: scaled results can be drawn and judged: no axis and no ratio
//! of unlike quantities needs to know the scale.

use super::scene::above_zero;
use crate::cell::Cell;
use crate::spec::problem::{Checked, must};
use crate::spec::quantity::is_rate;
use crate::spec::{Check, Experiment, Scale};

/// `cells` of the full and of the quick effort.
pub(super) fn check(experiment: &Experiment, cells: [&[Cell]; 2]) -> Checked {
    let Some(scale) = &experiment.scale else { return Ok(()) };
    head(scale)?;
    let mut all = cells.iter().flat_map(|cells| cells.iter());
    must(all.any(|cell| !cell.scene.rates_listed().is_empty()), "scale", || {
        "no scene here has a rate: take this out".to_owned()
    })?;
    for cells in cells {
        must(!cells.iter().any(|cell| rate_varies(cell, cells)), "scale", || {
            "$x makes a rate here, and the axis would not show which one: take this out, or vary \
             something else"
                .to_owned()
        })?;
    }
    for (index, check) in experiment.check.iter().enumerate() {
        must(is_alike(check), &format!("check.{index}.over"), || {
            "with [scale] a rate is divided by a rate, and nothing else is: choose another quantity"
                .to_owned()
        })?;
    }
    Ok(())
}

fn head(scale: &Scale) -> Checked {
    let Scale { mbit, pps, share } = *scale;
    must(mbit.is_some() != pps.is_some(), "scale", || {
        "write what the rates ask of weir's worker: mbit of TCP that it cuts, or pps that it \
         forwards, one of both"
            .to_owned()
    })?;
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
