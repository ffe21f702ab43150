//! The format of numbers. Invariant: only significant digits are shown, and none is made up.

/// Between groups of three digits: narrow, without a line break.
const GAP: char = '\u{202f}';
const MINUS: &str = "\u{2212}";

/// A measured number: three significant digits, and never fewer than its whole part.
pub(super) fn plain(value: f64) -> String {
    significant(value, 3)
}

/// With this many significant digits, and never fewer than its whole part.
pub(super) fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.abs() < 1e-4 {
        return format!("{value:.1e}");
    }
    let before = value.abs().log10().floor() as i32 + 1;
    let decimals = (digits - before).max(0) as usize;
    grouped(&format!("{value:.decimals$}"))
}

/// A number as it was written: all its digits.
pub(super) fn exact(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-4 || value.abs() >= 1e12) {
        return format!("{value:e}");
    }
    grouped(&format!("{value}"))
}

/// Parses a text of [`exact`].
fn read(text: &str) -> Option<f64> {
    text.replace(GAP, "").replace(MINUS, "-").parse().ok()
}

/// A number that is compared with bounds, with enough digits to show on which side it is.
pub(super) fn deciding(value: f64, bounds: &[Option<f64>]) -> String {
    let told = |text: &str| {
        let shown: f64 = read(text).unwrap_or(value);
        bounds.iter().flatten().all(|bound| {
            value == *bound || (shown != *bound && (shown < *bound) == (value < *bound))
        })
    };
    (4..9)
        .map(|digits| significant(value, digits))
        .find(|text| told(text))
        .unwrap_or_else(|| exact(value))
}

/// "at least 0.98", "0.98 to 1.02": the bounds of a check.
pub(super) fn bounds(least: Option<f64>, most: Option<f64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("{} to {}", exact(least), exact(most)),
        (Some(least), None) => format!("at least {}", exact(least)),
        (None, Some(most)) => format!("at most {}", exact(most)),
        (None, None) => String::new(),
    }
}

/// At an axis; `10k`, `2M` if `short`.
pub(super) fn tick(value: f64, decimals: usize, short: bool) -> String {
    if short {
        for (unit, letter) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
            if value.abs() >= unit {
                return format!("{}{letter}", exact((value / unit * 1000.0).round() / 1000.0));
            }
        }
        return exact(value);
    }
    grouped(&format!("{value:.decimals$}"))
}

/// From 10 000 on, digits are grouped by three.
fn grouped(text: &str) -> String {
    let begin = usize::from(text.starts_with('-'));
    let end = text.find('.').unwrap_or(text.len());
    let mut out = text.to_owned();
    if end - begin >= 5 {
        // From behind, so that no gap moves the places of the others.
        for at in (begin + 1..end).rev().filter(|at| (end - at).is_multiple_of(3)) {
            out.insert(at, GAP);
        }
    }
    out.replace('-', MINUS)
}

#[cfg(test)]
mod tests;
