//! One page and a table of all measurements.
//!
//! - `page`: the HTML around everything; `section`: one experiment of it; `figure`: a figure of it, with
//!   its numbers as a table
//! - `plot`: the content of a plot; `curves`: from our results; `published`: from the paper's
//! - `chart`: a plot as SVG (plotters); `look`: colours, markers, dashes, themes
//! - `table`: RESULTS.md; `facts`: what it and the page say of results; `digits`: the format of numbers
//!
//! Invariant: the page needs no network and no other file; colours follow the reader's choice of light
//! or dark; missing measurements are mentioned, not left out.

mod chart;
mod curves;
mod digits;
mod facts;
mod figure;
mod html;
mod look;
mod page;
mod plot;
mod published;
mod section;
mod table;

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::Results;
use crate::spec::Experiment;

/// The page and RESULTS.md's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub html: String,
    pub markdown: String,
}

/// Experiments in the papers' order, each with its results if there are any.
pub fn report(all: &[(Experiment, Option<Results>)]) -> Result<Report> {
    Ok(Report { html: page::page(all)?, markdown: table::table(all) })
}

/// Writes the page to `page` and the table to `table`.
pub fn write(report: &Report, page: &Path, table: &Path) -> Result<()> {
    for (path, text) in [(page, &report.html), (table, &report.markdown)] {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making the folder {}", folder.display()))?;
        }
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
