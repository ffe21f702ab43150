//! Words in a plot. Invariant: widths are upper estimates, since no font is available.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Sheet;
use crate::report::palette::Colour;

/// The size of names and labels, in pixels.
pub(super) const SIZE: i32 = 13;
/// The distance of the lines of a wrapped text.
pub(super) const LEADING: i32 = 16;

/// An upper bound of the width.
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

/// Where the point of a text is: at its left, at the top of the line.
pub(super) const LEFT: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Top };
/// In the middle, at the top of the line.
pub(super) const MIDDLE: Pos = Pos { h_pos: HPos::Center, v_pos: VPos::Top };
/// At its left, halfway up the line.
pub(super) const BESIDE: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };
/// In the middle, at the bottom of the line.
pub(super) const ABOVE: Pos = Pos { h_pos: HPos::Center, v_pos: VPos::Bottom };

pub(super) fn write(
    sheet: &Sheet<'_>,
    text: &str,
    at: (i32, i32),
    anchor: Pos,
    colour: Colour,
) -> Result<()> {
    sheet.draw_text(text, &style(colour).pos(anchor), at)?;
    Ok(())
}

/// Lines from `at` downwards.
pub(super) fn write_all(
    sheet: &Sheet<'_>,
    lines: &[String],
    at: (i32, i32),
    anchor: Pos,
    colour: Colour,
) -> Result<()> {
    for (i, line) in (0..).zip(lines) {
        write(sheet, line, (at.0, at.1 + i * LEADING), anchor, colour)?;
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
