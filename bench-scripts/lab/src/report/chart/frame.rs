//! Axes, grid and names around the plotting area.
//!
//! The vertical axis' name is above the plot, where it is easy to read and takes no width.

use anyhow::Result;
use plotters::prelude::*;

use super::Sheet;
use super::scale::Scale;
use super::text::{self, LEADING, wrap};
use crate::report::html;
use crate::report::palette::Colour;
use crate::spec::Axis;

/// A chart with its axes drawn, in which values have places.
pub(super) struct Frame<'a> {
    chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

/// Pixels around the plotting area.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) left: i32,
    pub(super) right: i32,
    /// Between the name of the vertical axis and the plot.
    pub(super) top: i32,
    /// For the text below the horizontal axis, without the axis' name.
    pub(super) bottom: i32,
}

impl Room {
    /// For a vertical axis with these labels.
    pub(super) fn beside(y: &Scale) -> Self {
        Self { left: y.label_width() + 14, right: 14, top: 10, bottom: 24 }
    }
}

/// Draws both axes and their names; the grid belongs to the axis of values.
pub(super) fn draw<'a>(
    sheet: &Sheet<'a>,
    (x, y): (Scale, Scale),
    (x_axis, y_axis): (&Axis, &Axis),
    room: Room,
    grid: Grid,
) -> Result<Frame<'a>> {
    let (width, height) = sheet.dim_in_pixel();
    let above = wrap(&html::axis(y_axis), width as i32 - 12);
    let below = wrap(&html::axis(x_axis), width as i32 - room.left - room.right);
    text::write_all(sheet, &above, (4, 2), text::LEFT, Colour::Ink)?;
    let bottom = below.len() as i32 * LEADING;
    let middle = room.left + (width as i32 - room.left - room.right) / 2;
    text::write_all(
        sheet,
        &below,
        (middle, height as i32 - bottom - 1),
        text::MIDDLE,
        Colour::Ink,
    )?;
    let mut chart = ChartBuilder::on(sheet)
        .margin_top(above.len() as i32 * LEADING + room.top)
        .margin_bottom(bottom + if bottom > 0 { 4 } else { 0 })
        .margin_right(room.right)
        .x_label_area_size(room.bottom)
        .y_label_area_size(room.left)
        .build_cartesian_2d(x.clone(), y.clone())?;
    {
        let axis = Colour::Axis.rgb().stroke_width(1);
        let mut mesh = chart.configure_mesh();
        mesh.label_style(text::style(Colour::Soft))
            .axis_style(axis)
            .bold_line_style(Colour::Grid.rgb().stroke_width(1))
            .set_all_tick_mark_size(4);
        match grid {
            Grid::Across => mesh.disable_x_mesh(),
            Grid::Upright => mesh.disable_y_mesh(),
        };
        mesh.draw()?;
    }
    Ok(Frame { chart, x, y })
}

/// The grid lines through the plot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grid {
    Across,
    Upright,
}

impl Frame<'_> {
    /// The pixel of a pair of values; values beyond the axes are at the edge.
    pub(super) fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let inside = |scale: &Scale, value: f64| {
            value.max(scale.from.min(scale.to)).min(scale.from.max(scale.to))
        };
        self.chart.backend_coord(&(inside(&self.x, x), inside(&self.y, y)))
    }
}
