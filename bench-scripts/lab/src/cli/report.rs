//! The page and the table. Invariant: results that may be outdated are marked as such.

use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use weir_lab::run::kept;
use weir_lab::{report as drawn, spec};

pub(super) fn report(files: &Path, results: &Path, page: &Path, table: &Path) -> Result<()> {
    let mut all = Vec::new();
    for experiment in spec::load_all(files)? {
        let found = kept(results, &experiment.id)?;
        if found.as_ref().is_some_and(|found| found.file != experiment.text) {
            let id = &experiment.id;
            eprintln!(
                "weir-lab: {id}: its file has changed since it was run; `run {id}` measures what differs"
            );
        }
        all.push((experiment, found));
    }
    drawn::write(&drawn::report(&all)?, page, table)?;
    let there = all.iter().filter(|(_, found)| found.is_some()).count();
    println!("{there} of {} experiments have results", all.len());
    println!("page:  {}", page.display());
    println!("table: {}", table.display());
    Ok(())
}

/// Opens the page on a desktop's terminal. If that fails, its path has been printed.
pub(super) fn open(page: &Path) {
    let desktop =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !desktop || !std::io::stdout().is_terminal() {
        return;
    }
    let mut command = Command::new("xdg-open");
    command.arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(command.spawn());
}
