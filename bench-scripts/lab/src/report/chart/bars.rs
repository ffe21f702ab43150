//! Groups of bars: upright, or lying if the groups' names have no room below them.
//!
//! Invariant: a group has as many places as bars; a missing bar leaves no gap.

use anyhow::Result;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::frame::{self, Frame, LEADING, Room, digits_width, width as wide, wrap};
use super::scale::{self, Scale};
use super::{Sheet, marks};
use crate::report::html;
use crate::report::look::Colour;
use crate::report::plot::{Curve, Plot, Point};

/// The part of a group's width that its bars take together; the rest lies between groups.
const FILLED: f64 = 0.8;
/// The most width of a bar.
const WIDEST: f64 = 56.0;
/// The thickness of a lying bar, and the gap between lying groups.
const THICK: i32 = 18;
const BETWEEN: i32 = 14;
/// The most lines under a group.
const MOST_LINES: usize = 3;

type Bar<'a> = (&'a Curve, &'a Point);

/// A group: its name and its bars.
struct Group<'a> {
    name: String,
    bars: Vec<Bar<'a>>,
}

fn groups(plot: &Plot) -> Vec<Group<'_>> {
    let names = plot.labels.clone().unwrap_or_default();
    let of = |place: usize| {
        let here = move |point: &&Point| point.x as usize == place;
        plot.curves
            .iter()
            .flat_map(move |curve| {
                curve.points.iter().filter(here).map(move |point| (curve, point))
            })
            .collect()
    };
    names.into_iter().enumerate().map(|(place, name)| Group { name, bars: of(place) }).collect()
}

/// The height of a sheet on which bars lie; `None` if the groups' names, and the bars, have room side by
/// side.
pub(super) fn lying_height(plot: &Plot, width: u32) -> Option<u32> {
    let groups = groups(plot);
    let band = (width as i32 - values(plot).label_width() - 28) / groups.len().max(1) as i32;
    let most = groups.iter().map(|group| group.bars.len()).max().unwrap_or(1).max(1);
    let names_fit = groups.iter().all(|group| {
        let lines = wrap(&group.name, band - 6);
        lines.len() <= MOST_LINES && lines.iter().all(|line| wide(line) <= band - 6)
    });
    let bars_fit = f64::from(band) * FILLED / (most as f64) >= 7.0;
    if names_fit && bars_fit {
        return None;
    }
    let room = around(plot);
    let inside = width as i32 - room.left - room.right;
    let above = wrap(&html::axis(&plot.x), width as i32 - 12).len() as i32 * LEADING + room.top;
    let below = wrap(&html::axis(&plot.y), inside).len() as i32 * LEADING + 4 + room.bottom;
    Some((above + rows(&groups, inside) + below) as u32)
}

/// The axis of values; on a logarithmic one, the smallest bar is to be visible, too.
fn values(plot: &Plot) -> Scale {
    scale::of_values(plot, 2.0)
}

/// An axis for groups, without ticks of its own.
fn bare(from: f64, to: f64) -> Scale {
    Scale { from, to, log: false, ticks: Vec::new() }
}

pub(super) fn standing(plot: &Plot, sheet: &Sheet<'_>) -> Result<()> {
    let groups = groups(plot);
    let y = values(plot);
    let (width, height) = sheet.dim_in_pixel();
    let mut room = Room::beside(&y);
    let band = (width as i32 - room.left - room.right) / groups.len().max(1) as i32;
    let names: Vec<_> = groups.iter().map(|group| wrap(&group.name, band - 6)).collect();
    let lines = names.iter().map(Vec::len).max().unwrap_or(0) as i32;
    room.bottom = lines * LEADING + 10;
    // For the number over a bar that is as high as the axis.
    room.top += LEADING;
    let below = wrap(&html::axis(&plot.x), width as i32 - room.left - room.right).len() as i32;
    let names_at =
        height as i32 - room.bottom - below * LEADING - if below > 0 { 4 } else { 0 } + 6;
    let x = bare(-0.5, groups.len() as f64 - 0.5);
    let frame = frame::draw(sheet, (x, y), (&plot.x, &plot.y), room)?;
    let each =
        |group: &Group<'_>| (f64::from(band) * FILLED / group.bars.len().max(1) as f64).min(WIDEST);
    // Numbers stand over all bars, or over none.
    let fits = |group: &Group<'_>, (curve, point): &Bar<'_>| {
        f64::from(digits_width(&curve.shown(point.y)) + 2) <= each(group)
    };
    let numbers = groups.iter().all(|group| group.bars.iter().all(|bar| fits(group, bar)));
    for (place, (group, name)) in groups.iter().zip(&names).enumerate() {
        let (middle, _) = frame.at(place as f64, frame.y.from);
        frame::write(sheet, name, (middle, names_at), HPos::Center, Colour::Soft)?;
        let each = each(group);
        let left = f64::from(middle) - each * group.bars.len() as f64 / 2.0;
        for (i, bar) in group.bars.iter().enumerate() {
            let from = (left + each * i as f64) as i32 + 1;
            let to = (left + each * (i + 1) as f64) as i32 - 1;
            draw(sheet, &frame, *bar, false, (from, to), numbers)?;
        }
    }
    Ok(())
}

/// A bar between its two sides, with its marker, its interval and, if wanted, its number.
fn draw(
    sheet: &Sheet<'_>,
    frame: &Frame<'_>,
    bar: Bar<'_>,
    lying: bool,
    (from, to): (i32, i32),
    number: bool,
) -> Result<()> {
    let (curve, point) = bar;
    let (values, up) = if lying { (&frame.x, 1) } else { (&frame.y, -1) };
    let at = |value: f64| {
        if lying { frame.at(value, frame.y.from).0 } else { frame.at(frame.x.from, value).1 }
    };
    // A pixel by its places along the bar and across it.
    let pixel = |along: i32, across: i32| if lying { (along, across) } else { (across, along) };
    let middle = (from + to) / 2;
    let (ground, end) = (at(if values.log { values.from } else { 0.0 }), at(point.y));
    let corners = [pixel(end.min(ground), from), pixel(end.max(ground), to)];
    marks::bar(sheet, curve.look, corners, pixel(ground + up * (marks::ROOM + 3), middle))?;
    let mut far = if lying { end.max(ground) } else { end.min(ground) };
    if let Some((low, high)) = point.spread {
        let end_of = |value: f64| (pixel(at(value), middle), values.holds(value));
        marks::whisker(sheet, Colour::Ink, [end_of(low), end_of(high)])?;
        far = if lying { far.max(at(high) + 2) } else { far.min(at(high)) };
    }
    if number {
        let (far, h, v) = if lying {
            (far + 4, HPos::Left, VPos::Center)
        } else {
            (far - 1, HPos::Center, VPos::Bottom)
        };
        let style = frame::style(Colour::Soft).pos(Pos::new(h, v));
        sheet.draw_text(&curve.shown(point.y), &style, pixel(far, middle))?;
    }
    Ok(())
}

/// The margins around lying bars.
fn around(plot: &Plot) -> Room {
    let width =
        |curve: &Curve| curve.points.iter().map(|point| digits_width(&curve.shown(point.y))).max();
    let widest = plot.curves.iter().filter_map(width).max().unwrap_or(0);
    Room { left: values(plot).label_width() / 2 + 2, right: widest + 12, top: 10, bottom: 24 }
}

/// Rows of names and bars, from above.
fn rows(groups: &[Group<'_>], inside: i32) -> i32 {
    groups.iter().map(|group| row(group, inside)).sum()
}

fn row(group: &Group<'_>, inside: i32) -> i32 {
    wrap(&group.name, inside).len() as i32 * LEADING + group.bars.len() as i32 * THICK + BETWEEN
}

pub(super) fn lying(plot: &Plot, sheet: &Sheet<'_>) -> Result<()> {
    let groups = groups(plot);
    let room = around(plot);
    let inside = sheet.dim_in_pixel().0 as i32 - room.left - room.right;
    let mut x = values(plot);
    // Until the rest have room.
    while x.ticks.len() > 2 && x.label_width() + 8 > inside / (x.ticks.len() as i32 - 1) {
        x.thin_out();
    }
    let y = bare(f64::from(rows(&groups, inside)), 0.0);
    let frame = frame::draw(sheet, (x, y), (&plot.y, &plot.x), room)?;
    let mut top = 0;
    for group in &groups {
        let (left, at) = frame.at(frame.x.from, f64::from(top));
        let name = wrap(&group.name, inside);
        frame::write(sheet, &name, (left + 4, at + 3), HPos::Left, Colour::Ink)?;
        for (i, bar) in (0..).zip(&group.bars) {
            let above = at + name.len() as i32 * LEADING + 4 + i * THICK;
            draw(sheet, &frame, *bar, true, (above, above + THICK - 2), true)?;
        }
        top += row(group, inside);
    }
    Ok(())
}
