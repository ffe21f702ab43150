//! A plot as SVG, drawn by plotters in the light theme's colours.
//!
//! - [`scale`]: an axis' range and ticks; `frame`: axes, grid, words; `bars`: groups of them
//! - `marks`: markers and dashes, also of the legend
//!
//! Invariant: no text overlaps another: text that does not fit is wrapped, thinned, or laid out
//! differently.

mod bars;
mod frame;
mod marks;
mod scale;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use self::frame::Room;
use super::html::escape;
use super::look::Look;
use super::plot::Plot;
use crate::spec::Draw;

/// Pixels between neighbouring curves at the same x.
const STEP: i32 = 5;

/// The drawing area of plots.
type Sheet<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The column width that a plot is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Alone on a desktop's screen.
    Wide,
    /// One of two side by side there.
    Half,
    /// On a telephone.
    Narrow,
}

impl Size {
    fn pixels(self) -> (u32, u32) {
        match self {
            Self::Wide => (840, 390),
            Self::Half => (460, 350),
            Self::Narrow => (364, 320),
        }
    }
}

/// The plot as an SVG element, `described` for screen readers.
pub(super) fn svg(plot: &Plot, size: Size, described: &str) -> Result<String> {
    let (width, usual) = size.pixels();
    let lying = bars::lying_height(plot, width).filter(|_| plot.draw == Draw::Bars);
    let height = lying.unwrap_or(usual);
    let drawn = sheet((width, height), |sheet| match plot.draw {
        Draw::Bars if lying.is_some() => bars::lying(plot, sheet),
        Draw::Bars => bars::standing(plot, sheet),
        Draw::Lines | Draw::Time => lines(plot, sheet),
    })
    .with_context(|| format!("drawing: {described}"))?;
    let class = if size == Size::Narrow { "narrow" } else { "wide" };
    Ok(format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n{drawn}</svg>\n",
        escape(described)
    ))
}

/// Curves: over the varied quantity with markers and intervals, or over time without them. Curves that
/// share an x are moved apart there, so that no interval hides another.
fn lines(plot: &Plot, sheet: &Sheet<'_>) -> Result<()> {
    let y = scale::of_values(plot, 1.0);
    let room = Room::beside(&y);
    let inside = sheet.dim_in_pixel().0 as i32 - room.left - room.right;
    let time = plot.draw == Draw::Time;
    let x = scale::along(&plot.shown_xs(), plot.x.log, time, inside);
    let frame = frame::draw(sheet, (x, y), (&plot.x, &plot.y), room)?;
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
            marks::path(sheet, curve.look, points.clone())?;
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

/// The sample in front of a curve's name in a legend.
pub(super) fn key(look: Look, draw: Draw) -> Result<String> {
    let (width, height) = (34, 14);
    let drawn = sheet((width, height), |sheet| marks::key(sheet, look, draw))
        .context("drawing a legend's key")?;
    Ok(format!(
        "<svg class=\"key\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" aria-hidden=\"true\">{drawn}</svg>"
    ))
}

/// The drawing, without the element around it, to which plotters gives a fixed size.
fn sheet(size: (u32, u32), draw: impl FnOnce(&Sheet<'_>) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let sheet = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&sheet)?;
        sheet.present()?;
    }
    let inner = text.split_once('>').map_or("", |(_, rest)| rest);
    let inner = inner.trim().strip_suffix("</svg>").unwrap_or(inner);
    // Plotters writes default values, and breaks lines around a text.
    let inner = inner.replace(" opacity=\"1\"", "").replace(" font-family=\"system-ui\"", "");
    Ok(inner.trim_start().replace("\">\n", "\">").replace("\n</text>", "</text>"))
}

#[cfg(test)]
mod tests;
