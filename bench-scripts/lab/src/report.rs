//! One page and a table of everything that was measured.
//!
//! - `page`: the HTML around everything; `section`: one experiment of it; `judged`: its verdict;
//!   `figure`: a figure of it
//! - `plot`: what is drawn where; `curves`: of our results; `published`: of the paper's
//! - `chart`: a plot as SVG (plotters); `look`, `palette`: colours, markers, dashes, themes
//! - `numbers`: what is drawn, as a table; `digits`: how numbers are written
//! - `table`: RESULTS.md; `machine`: what it was measured on; `papers`: their authors
//!
//! Invariant: the page needs no network and no other file; colours follow the reader's choice of
//! light or dark; what was not measured is said, not left out.

mod chart;
mod curves;
mod digits;
mod figure;
mod html;
mod judged;
mod look;
mod machine;
mod numbers;
mod page;
mod palette;
mod papers;
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

/// Experiments in the papers' order, each with its results where there are any.
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
