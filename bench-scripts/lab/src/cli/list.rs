//! Lists the experiments. Invariant: it measures nothing and changes nothing.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use weir_lab::run::{Overhead, Results, count, kept, spoken};
use weir_lab::spec::{self, Experiment};

#[derive(Debug, Serialize)]
struct Row {
    id: String,
    title: String,
    paper: String,
    claim: String,
    peers: Vec<String>,
    whole: Amount,
    quick: Amount,
    kept: Option<Kept>,
}

#[derive(Debug, Serialize)]
struct Amount {
    cells: usize,
    /// An estimate.
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Kept {
    quick: bool,
    date: String,
    commit: String,
    dirty: bool,
    checks: usize,
    /// The checks that do not hold.
    failing: Vec<String>,
    /// Cells that could not be measured.
    unmeasured: usize,
    /// The experiment's file has changed since.
    outdated: bool,
    /// The factor of the file's rates, if they were lowered.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<f64>,
}

pub(super) fn list(files: &Path, results: &Path, json: bool) -> Result<()> {
    let mut rows = Vec::new();
    for experiment in spec::load_all(files)? {
        rows.push(row(&experiment, kept(results, &experiment.id)?)?);
    }
    let text = if json { serde_json::to_string_pretty(&rows)? + "\n" } else { table(&rows) };
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")
}

fn row(experiment: &Experiment, kept: Option<Results>) -> Result<Row> {
    let amount = |quick| -> Result<Amount> {
        let cells = experiment.cells(quick)?;
        Ok(Amount { cells: cells.len(), seconds: Overhead::USUAL.expected_s(&cells) })
    };
    Ok(Row {
        id: experiment.id.clone(),
        title: experiment.title.clone(),
        paper: experiment.paper.clone(),
        claim: experiment.claim.clone(),
        peers: experiment.peer.iter().map(|peer| peer.name.clone()).collect(),
        whole: amount(false)?,
        quick: amount(true)?,
        kept: kept.map(|results| Kept::of(results, &experiment.text)),
    })
}

impl Kept {
    fn of(results: Results, text: &str) -> Self {
        let judged = || results.verdicts.iter().filter(|verdict| verdict.is_judged());
        let failing = judged().filter(|verdict| !verdict.holds);
        let empty = |cell: &&weir_lab::cell::Measured| cell.outcome.values.is_empty();
        Self {
            quick: results.quick,
            checks: judged().count(),
            failing: failing.map(|verdict| verdict.what.clone()).collect(),
            unmeasured: results.measured.iter().filter(empty).count(),
            outdated: results.file != text,
            scale: results.lowered().map(|scale| scale.factor),
            date: results.machine.date,
            commit: results.machine.commit,
            dirty: results.machine.dirty,
        }
    }

    fn line(&self) -> String {
        let mut line = format!(
            "{} run of {}: {} of {} checks hold",
            if self.quick { "quick" } else { "whole" },
            self.date.split('T').next().unwrap_or_default(),
            self.checks - self.failing.len(),
            self.checks,
        );
        if let Some(scale) = self.scale {
            let _ = write!(line, " at {scale} of the file's rates");
        }
        if self.unmeasured > 0 {
            let _ = write!(line, ", {} cells not measured", self.unmeasured);
        }
        if self.outdated {
            line.push_str("; its file has changed since");
        }
        line
    }
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.id.chars().count()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for row in rows {
        let Row { id, title, whole, quick, .. } = row;
        let _ = writeln!(text, "{id:width$}{title}");
        let (all, short) = (spoken(whole.seconds), spoken(quick.seconds));
        let _ = writeln!(
            text,
            "{:width$}{} cells, {all}; quick {}, {short}; {}",
            "",
            whole.cells,
            quick.cells,
            row.peers.join(", ")
        );
        let kept = row.kept.as_ref().map_or_else(|| "not run yet".to_owned(), Kept::line);
        let _ = writeln!(text, "{:width$}{kept}", "");
    }
    let sum = |amount: fn(&Row) -> &Amount| {
        let cells: usize = rows.iter().map(|row| amount(row).cells).sum();
        let seconds: f64 = rows.iter().map(|row| amount(row).seconds).sum();
        format!("{cells} cells, {}", spoken(seconds))
    };
    let (whole, quick) = (sum(|row| &row.whole), sum(|row| &row.quick));
    let _ = writeln!(text, "\n{}: {whole}; quick {quick}", count(rows.len(), "experiment"));
    text
}

#[cfg(test)]
mod tests;
