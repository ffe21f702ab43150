//! Figures and published numbers. Invariant: a figure only names quantities; the report decides its
//! appearance.

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Figure {
    pub title: String,
    #[serde(default)]
    pub draw: Draw,
    /// The horizontal axis; by default that of `vary`.
    pub x: Option<Axis>,
    pub y: Axis,
    pub line: Vec<Line>,
    /// `figure`s of [`Published`] to draw in the same plot.
    #[serde(default)]
    pub published: Vec<String>,
    /// Left out with `--quick`, whose windows are too short to show it.
    #[serde(default)]
    pub full_only: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// Values over the varied quantity, with confidence intervals.
    #[default]
    Lines,
    /// A group of bars for each value of the varied quantity; without one, a bar for each line.
    Bars,
    /// A series over time, of the first repetition.
    Time,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axis {
    pub name: String,
    #[serde(default)]
    pub unit: String,
    #[serde(default)]
    pub log: bool,
    /// The beginning of the axis, by default 0; ignored with `log`.
    pub from: Option<f64>,
}

/// A line or a bar for each peer (and variant) that it names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Line {
    /// With `draw = "time"`, the name of a series: `vm1.mbit`.
    pub quantity: String,
    /// Its name; peer and variant are added if there are several.
    pub name: String,
    pub peers: Vec<String>,
    /// All by default.
    pub variants: Option<Vec<String>>,
    /// A divisor of the quantity, of the same repetition.
    pub over: Option<Over>,
}

/// A divisor: parts that are left out are those of the quantity.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Over {
    pub quantity: Option<String>,
    pub peer: Option<String>,
    pub variant: Option<String>,
    pub x: Option<f64>,
}

/// Numbers of the paper.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Published {
    /// "Figure 3", "Table 2"; unique in the file.
    pub figure: String,
    pub what: String,
    /// A description of a curve whose numbers were not printed.
    #[serde(default)]
    pub shape: String,
    pub x: Option<Axis>,
    pub y: Option<Axis>,
    /// Names of x = 0, 1, 2 … if it is not a number.
    pub labels: Option<Vec<String>>,
    #[serde(default)]
    pub line: Vec<PublishedLine>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PublishedLine {
    pub name: String,
    /// `[x, y]`, or `[x, y, low, high]`.
    pub points: Vec<Vec<f64>>,
}
