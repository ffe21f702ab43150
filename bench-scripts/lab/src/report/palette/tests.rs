use std::collections::BTreeSet;

use super::*;

#[test]
fn every_colour_can_be_told_from_the_others() {
    assert_eq!(ALL.iter().map(|colour| colour.2).collect::<BTreeSet<_>>().len(), ALL.len());
    assert_eq!(ALL.iter().map(|colour| colour.3).collect::<BTreeSet<_>>().len(), ALL.len());
}

/// WCAG's relative luminance.
fn luminance(rgb: u32) -> f64 {
    let part = |shift: u32| {
        let value = f64::from((rgb >> shift) & 255) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
}

fn contrast(a: u32, b: u32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_and_curves_stand_out_from_the_ground_in_both_themes() {
    let card = ALL.iter().find(|colour| colour.0 == Colour::Card).unwrap();
    for colour in &ALL {
        let need = match colour.0 {
            Colour::Ink | Colour::Soft => 4.5,
            Colour::Card | Colour::Ground | Colour::Grid | Colour::Axis | Colour::Sky => {
                continue;
            }
            _ => 3.0,
        };
        assert!(contrast(colour.2, card.2) >= need, "{} on light", colour.1);
        assert!(contrast(colour.3, card.3) >= need, "{} on dark", colour.1);
    }
}
