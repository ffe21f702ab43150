//! The colours of page and plots, light and dark.
//!
//! Plots are drawn with the light ones; style rules on a shape's `fill` and `stroke` replace them by
//! the theme's.
//!
//! Invariant: every colour in a plot is one of these, and each light one occurs once.

use std::fmt::Write as _;

use plotters::style::RGBColor;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Colour {
    Ink,
    /// Labels of ticks, small print.
    Soft,
    Axis,
    Grid,
    /// Behind plots, and behind the page.
    Card,
    Ground,
    Paper,
    Blue,
    Vermilion,
    Green,
    Purple,
    Amber,
    Sky,
    Olive,
}

/// The series' hues are Okabe and Ito's, darker on light ground and paler on dark.
const ALL: [(Colour, &str, u32, u32); 14] = [
    (Colour::Ink, "ink", 0x1b_1f24, 0xe6_e9ed),
    (Colour::Soft, "soft", 0x57_606a, 0xa3_acb7),
    (Colour::Axis, "axis", 0x8c_959f, 0x6b_7580),
    (Colour::Grid, "grid", 0xe4_e7eb, 0x2c_333b),
    (Colour::Card, "card", 0xff_ffff, 0x17_1b21),
    (Colour::Ground, "ground", 0xfa_fbfc, 0x0f_1216),
    (Colour::Paper, "paper", 0x6a_6561, 0xb5_aea6),
    (Colour::Blue, "blue", 0x00_69aa, 0x5a_b4f5),
    (Colour::Vermilion, "vermilion", 0xd5_5e00, 0xf0_8443),
    (Colour::Green, "green", 0x00_8560, 0x33_c49a),
    (Colour::Purple, "purple", 0xb0_508a, 0xe3_93c4),
    (Colour::Amber, "amber", 0xb8_7a00, 0xe9_b43c),
    (Colour::Sky, "sky", 0x3d_9fd6, 0xa9_dcf7),
    (Colour::Olive, "olive", 0x6b_6400, 0xd9_d06a),
];

impl Colour {
    /// The colour that plots are drawn with.
    pub(super) fn rgb(self) -> RGBColor {
        let light = ALL.iter().find(|colour| colour.0 == self).map_or(0, |colour| colour.2);
        RGBColor((light >> 16) as u8, (light >> 8) as u8, light as u8)
    }
}

/// The page's style: these colours as variables, the rules that theme the plots, and the layout.
pub(super) fn style() -> String {
    let mut css = String::new();
    let variables = |pick: fn(&(Colour, &str, u32, u32)) -> u32| -> String {
        ALL.iter().map(|colour| format!("--{}:#{:06x};", colour.1, pick(colour))).collect()
    };
    let _ = writeln!(css, ":root{{color-scheme:light;{}}}", variables(|colour| colour.2));
    let _ = writeln!(
        css,
        "@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{}}}}}",
        variables(|colour| colour.3)
    );
    for (_, name, light, _) in ALL {
        let _ = writeln!(
            css,
            "svg [fill=\"#{light:06X}\"]{{fill:var(--{name})}}svg [stroke=\"#{light:06X}\"]{{stroke:var(--{name})}}"
        );
    }
    css.push_str(include_str!("style.css"));
    css
}

#[cfg(test)]
mod tests;
