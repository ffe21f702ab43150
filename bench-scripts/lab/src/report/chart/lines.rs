//! Curves: over the varied quantity with markers and intervals, or over time without them.
//!
//! Invariant: curves that share an x are moved apart there, so that no interval hides another.

use anyhow::Result;

use super::Sheet;
use super::frame::{self, Grid, Room};
use super::{marks, scale};
use crate::report::plot::Plot;
use crate::spec::Draw;

/// Pixels between neighbouring curves at the same x.
const STEP: i32 = 5;

pub(super) fn draw(plot: &Plot, sheet: &Sheet<'_>) -> Result<()> {
    let y = scale::of_values(plot, 1.0);
    let room = Room::beside(&y);
    let inside = sheet.dim_in_pixel().0 as i32 - room.left - room.right;
    let time = plot.draw == Draw::Time;
    let x = scale::along(&plot.shown_xs(), plot.x.log, time, inside);
    let frame = frame::draw(sheet, (x, y), (&plot.x, &plot.y), room, Grid::Across)?;
    let step = if time { 0 } else { step(plot, inside, &frame.x) };
    let middle = (plot.curves.len() as i32 - 1) * step / 2;
    // The first curves are drawn last, on top: the figure is about them.
    for (i, curve) in plot.curves.iter().enumerate().rev() {
        let aside = i as i32 * step - middle;
        let at = |x: f64, y: f64| {
            let (x, y) = frame.at(x, y);
            (x + aside, y)
        };
        for point in &curve.points {
            if let Some((low, high)) = point.spread {
                let end = |value: f64| (at(point.x, value), frame.y.holds(value));
                marks::whisker(sheet, curve.look.colour, [end(low), end(high)])?;
            }
        }
        let points: Vec<_> = curve.points.iter().map(|point| at(point.x, point.y)).collect();
        if points.len() > 1 {
            marks::path(sheet, curve.look, points.clone(), 2)?;
        }
        for point in points.into_iter().filter(|_| !time) {
            marks::marker(sheet, curve.look, point)?;
        }
    }
    Ok(())
}

/// How far curves are moved apart, without groups of neighbouring values meeting.
fn step(plot: &Plot, pixels: i32, x: &scale::Scale) -> i32 {
    let xs = plot.shown_xs();
    let gaps = xs.windows(2).map(|pair| x.place(pair[1]) - x.place(pair[0]));
    let room = gaps.fold(1.0, f64::min) * f64::from(pixels) * 0.5;
    let curves = plot.curves.len().max(2) as f64 - 1.0;
    ((room / curves) as i32).min(STEP)
}
