//! Writes files. Invariant: a path holds either its earlier content or all of the new one: a reader
//! never sees half of it, whatever happens meanwhile.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::{csv, hgrm, hlog, series};
use weir_api::{FlowsReport, LatencyReport, LossReport, StatsReport};

/// Writes `text` to a temporary file beside `path`, then renames it.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = || path.display().to_string();
    let no_file = || io::Error::from(io::ErrorKind::IsADirectory);
    let name = path.file_name().ok_or_else(no_file).with_context(shown)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    // Another process may write the same file; the last rename wins.
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    written.inspect_err(|_| drop(fs::remove_file(&beside))).with_context(shown)
}

pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

/// The report as the control socket returns it.
pub fn json<T: Serialize>(report: &T) -> String {
    // JSON can represent every part of a report.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

/// Writes everything that a weir knows about its life when it ends. Returns descriptions of the files
/// that failed; the others are written.
pub fn write_last(
    folder: &Path,
    stats: &StatsReport,
    latency: &LatencyReport,
    flows: &FlowsReport,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = make_folder(folder) {
        return vec![format!("{error:#}")];
    }
    let mut texts = vec![
        ("stats.json", json(stats)),
        ("latency.json", json(latency)),
        ("latency.csv", csv::latency(latency).whole()),
        ("loss.csv", csv::losses(&LossReport::of(stats)).whole()),
        ("flows.json", json(flows)),
        ("flows.csv", csv::flows(flows, None).whole()),
    ];
    match series::of_latency(latency) {
        Ok(series) => {
            let (since, until) = (latency.since_unix_ns, latency.until_unix_ns);
            let log = hlog::header(since) + &hlog::interval(since, since, until, &series);
            texts.extend([("latency.hlog", log), ("latency.hgrm", hgrm::render(&series))]);
        }
        Err(error) => wrong.push(error.to_string()),
    }
    let failed = |(name, text): (&str, String)| write(&folder.join(name), &text).err();
    wrong.extend(texts.into_iter().filter_map(failed).map(|error| format!("{error:#}")));
    wrong
}

#[cfg(test)]
mod tests;
