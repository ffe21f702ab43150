//! A plot as SVG, drawn by plotters in the light theme's colours.
//!
//! - [`scale`]: an axis' range and ticks; `frame`: axes, grid, names; `lines`, `bars`: their content
//! - `marks`: markers and dashes, also of the legend; `text`: how wide words are
//!
//! Invariant: no text overlaps another: text that does not fit is wrapped, thinned, or laid out
//! differently.

mod bars;
mod frame;
mod lines;
mod marks;
mod scale;
mod text;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::html::escape;
use super::look::Look;
use super::plot::Plot;
use crate::spec::Draw;

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

    fn class(self) -> &'static str {
        if self == Self::Narrow { "narrow" } else { "wide" }
    }
}

/// The plot as an SVG element, `described` for screen readers.
pub(super) fn svg(plot: &Plot, size: Size, described: &str) -> Result<String> {
    let (width, mut height) = size.pixels();
    let lying = plot.draw == Draw::Bars && bars::must_lie(plot, width);
    if lying {
        height = bars::lying_height(plot, width);
    }
    let drawn = sheet((width, height), |sheet| match plot.draw {
        Draw::Bars if lying => bars::lying(plot, sheet),
        Draw::Bars => bars::standing(plot, sheet),
        Draw::Lines | Draw::Time => lines::draw(plot, sheet),
    })
    .with_context(|| format!("drawing: {described}"))?;
    let class = size.class();
    Ok(format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n{drawn}</svg>\n",
        escape(described)
    ))
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
