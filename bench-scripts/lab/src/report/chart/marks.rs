//! Markers, dashes, intervals. Invariant: the same code draws a legend's key and the curve.

use anyhow::Result;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::Sheet;
use crate::report::look::{Colour, Look, Mark};
use crate::spec::Draw;

type At = (i32, i32);

/// From a marker's middle to the edge of the bar around it.
pub(super) const ROOM: i32 = 7;

/// A marker around a pixel.
pub(super) fn marker(sheet: &Sheet<'_>, look: Look, at: At) -> Result<()> {
    let edge = look.colour.rgb().stroke_width(2);
    let outline: &[At] = match look.mark {
        Mark::Circle => {
            let ground = Colour::Card.rgb();
            let inside = if look.hollow() { ground } else { look.colour.rgb() };
            sheet.draw(&Circle::new(at, 5, look.colour.rgb().filled()))?;
            sheet.draw(&Circle::new(at, 3, inside.filled()))?;
            return Ok(());
        }
        Mark::Plus | Mark::Ex => {
            let arms: [[At; 2]; 2] = if look.mark == Mark::Plus {
                [[(-6, 0), (6, 0)], [(0, -6), (0, 6)]]
            } else {
                [[(-5, -5), (5, 5)], [(-5, 5), (5, -5)]]
            };
            for arm in arms {
                sheet.draw(&PathElement::new(moved(&arm, at), edge))?;
            }
            // Another line of the same peer: with a bar across it.
            if look.hollow() {
                sheet.draw(&Circle::new(at, 3, look.colour.rgb().filled()))?;
            }
            return Ok(());
        }
        Mark::Triangle => &[(0, -6), (6, 5), (-6, 5)],
        Mark::Wedge => &[(0, 6), (6, -5), (-6, -5)],
        Mark::Square => &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
        Mark::Pentagon => &[(0, -6), (6, -1), (4, 5), (-4, 5), (-6, -1)],
        Mark::Diamond => &[(0, -6), (6, 0), (0, 6), (-6, 0)],
    };
    let mut outline = moved(outline, at);
    let inside = if look.hollow() { Colour::Card } else { look.colour };
    sheet.draw(&Polygon::new(outline.clone(), inside.rgb().filled()))?;
    outline.extend(outline.first().copied());
    sheet.draw(&PathElement::new(outline, edge))?;
    Ok(())
}

fn moved(shape: &[At], by: At) -> Vec<At> {
    shape.iter().map(|(x, y)| (x + by.0, y + by.1)).collect()
}

/// A curve through pixels.
pub(super) fn path(sheet: &Sheet<'_>, look: Look, points: Vec<At>) -> Result<()> {
    let style = look.colour.rgb().stroke_width(2);
    match look.dash() {
        None => sheet.draw(&PathElement::new(points, style))?,
        Some((dash, gap)) => {
            sheet.draw(&DashedPathElement::new(points, dash, gap, style))?;
        }
    }
    Ok(())
}

/// From one end of an interval to the other, with a cap at each end that is shown.
pub(super) fn whisker(sheet: &Sheet<'_>, colour: Colour, ends: [(At, bool); 2]) -> Result<()> {
    let style = colour.rgb().stroke_width(1);
    let [(low, _), (high, _)] = ends;
    sheet.draw(&PathElement::new(vec![low, high], style))?;
    let lying = low.1 == high.1 && low.0 != high.0;
    for ((x, y), _) in ends.into_iter().filter(|end| end.1) {
        let cap = if lying { [(x, y - 3), (x, y + 3)] } else { [(x - 3, y), (x + 3, y)] };
        sheet.draw(&PathElement::new(cap.to_vec(), style))?;
    }
    Ok(())
}

/// A bar between two corners; its marker stands in it at `foot`, if there is room.
pub(super) fn bar(sheet: &Sheet<'_>, look: Look, corners: [At; 2], foot: At) -> Result<()> {
    let fill = look.colour.rgb().mix(look.strength()).filled();
    sheet.draw(&Rectangle::new(corners, fill))?;
    let [(left, top), (right, bottom)] = corners;
    let inside = |at: i32, from: i32, to: i32| from + ROOM <= at && at <= to - ROOM;
    if inside(foot.0, left, right) && inside(foot.1, top, bottom) {
        marker(sheet, Look { colour: Colour::Card, turn: 0, ..look }, foot)?;
    }
    Ok(())
}

/// The sample in front of a curve's name.
pub(super) fn key(sheet: &Sheet<'_>, look: Look, draw: Draw) -> Result<()> {
    match draw {
        Draw::Bars => bar(sheet, look, [(8, 0), (26, 14)], (17, 7)),
        Draw::Time => path(sheet, look, vec![(1, 7), (33, 7)]),
        Draw::Lines => {
            path(sheet, look, vec![(1, 7), (33, 7)])?;
            marker(sheet, look, (17, 7))
        }
    }
}
