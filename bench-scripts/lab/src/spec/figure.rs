//! What is drawn, and what was published. Invariant: a figure names quantities only; how it looks
//! is the report's affair.

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Figure {
    pub title: String,
    #[serde(default)]
    pub draw: Draw,
    /// The horizontal axis; that of `vary` where left out.
    pub x: Option<Axis>,
    pub y: Axis,
    pub line: Vec<Line>,
    /// `figure`s of [`Published`] to draw in the same plot.
    #[serde(default)]
    pub published: Vec<String>,
    /// With `--quick` left out, since its windows are too short to show it.
    #[serde(default)]
    pub full_only: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// Values over the varied quantity, with confidence intervals.
    #[default]
    Lines,
    /// A group of bars for each of the varied quantity's values; without one, a bar for each line.
    Bars,
    /// A series over time: of the first repetition.
    Time,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axis {
    pub name: String,
    #[serde(default)]
    pub unit: String,
    #[serde(default)]
    pub log: bool,
    /// The axis begins at 0 unless this is given; ignored with `log`.
    pub from: Option<f64>,
}

/// A line or a bar for each peer (and variant) that it names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Line {
    /// With `draw = "time"` the name of a series: `vm1.mbit`.
    pub quantity: String,
    /// What it is called; peer and variant are added where there are several.
    pub name: String,
    pub peers: Vec<String>,
    /// All where left out.
    pub variants: Option<Vec<String>>,
    /// The quantity is divided by another one of the same repetition.
    pub over: Option<Over>,
}

/// A divisor: what is left out is that of the quantity.
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
    /// What a curve shows whose numbers were not printed.
    #[serde(default)]
    pub shape: String,
    pub x: Option<Axis>,
    pub y: Option<Axis>,
    /// Names of x = 0, 1, 2 … where it is no number.
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
