//! Axes, grid and names around the plotting area, and words anywhere in a plot.
//!
//! The vertical axis' name is above the plot, where it is easy to read and takes no width.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Sheet;
use super::scale::Scale;
use crate::report::html;
use crate::report::look::Colour;
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

/// Draws both axes and their names. The grid belongs to the axis of values: the vertical one, unless it
/// is that of groups, which has no ticks.
pub(super) fn draw<'a>(
    sheet: &Sheet<'a>,
    (x, y): (Scale, Scale),
    (x_axis, y_axis): (&Axis, &Axis),
    room: Room,
) -> Result<Frame<'a>> {
    let (width, height) = sheet.dim_in_pixel();
    let above = wrap(&html::axis(y_axis), width as i32 - 12);
    let below = wrap(&html::axis(x_axis), width as i32 - room.left - room.right);
    write(sheet, &above, (4, 2), HPos::Left, Colour::Ink)?;
    let bottom = below.len() as i32 * LEADING;
    let middle = room.left + (width as i32 - room.left - room.right) / 2;
    let below_at = (middle, height as i32 - bottom - 1);
    write(sheet, &below, below_at, HPos::Center, Colour::Ink)?;
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
        mesh.label_style(style(Colour::Soft))
            .axis_style(axis)
            .bold_line_style(Colour::Grid.rgb().stroke_width(1))
            .set_all_tick_mark_size(4);
        if y.ticks.is_empty() {
            mesh.disable_y_mesh();
        } else {
            mesh.disable_x_mesh();
        }
        mesh.draw()?;
    }
    Ok(Frame { chart, x, y })
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

/// The size of names and labels, in pixels.
const SIZE: i32 = 13;
/// The distance of the lines of a wrapped text.
pub(super) const LEADING: i32 = 16;

/// An upper bound of the width, since no font is available.
pub(super) fn width(text: &str) -> i32 {
    text.chars().count() as i32 * SIZE * 3 / 5
}

/// An upper bound of the width for digits, which are wider than most letters.
pub(super) fn digits_width(number: &str) -> i32 {
    let narrow = number.chars().filter(|c| !c.is_ascii_digit()).count() as i32;
    let digits = number.chars().count() as i32 - narrow;
    (digits * 2 + narrow) * SIZE / 3
}

/// Breaks a text into lines of at most `most` pixels; a single word may be longer.
pub(super) fn wrap(text: &str, most: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + width(word) + width(" ") <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Lines from `at` downwards, with that point at their left or in their middle.
pub(super) fn write(
    sheet: &Sheet<'_>,
    lines: &[String],
    at: (i32, i32),
    point: HPos,
    colour: Colour,
) -> Result<()> {
    let style = style(colour).pos(Pos::new(point, VPos::Top));
    for (i, line) in (0..).zip(lines) {
        sheet.draw_text(line, &style, (at.0, at.1 + i * LEADING))?;
    }
    Ok(())
}

/// The backend writes sizes 1.24 times smaller than requested.
pub(super) fn style(colour: Colour) -> TextStyle<'static> {
    let colour = colour.rgb();
    ("system-ui", f64::from(SIZE) * 1.24).into_font().color(&colour)
}

#[cfg(test)]
mod tests;
