//! `weir detach`: gives the ports back to the kernel when a weir died and no other is to follow.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{print, unless_closed};
use crate::host::leftovers::{self, GateOwner, Removed};
use crate::host::links::{Links, Snapshot};
use crate::host::privileges::check_privileges;
use weir_schema::DEFAULT_CONTROL;

/// Removes the leftovers and lists them. The exit code is 1 if a running weir was left alone.
pub async fn run(force: bool, control: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    check_privileges()?;
    let only = control.is_some();
    let control = control.unwrap_or_else(|| DEFAULT_CONTROL.into());
    let links = Links::open()?.snapshot().await?;
    // Removal waits for the kernel.
    let removing = tokio::task::spawn_blocking(move || leftovers::remove(&control, only, force));
    let removed = removing.await??;
    unless_closed(print(&text(&removed, &links)))?;
    for owner in &removed.refused {
        eprintln!("weir: {}", refusal(owner, &links));
    }
    Ok(if removed.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(removed: &Removed, links: &Snapshot) -> String {
    let mut text = String::new();
    for &ifindex in &removed.gates {
        let _ = writeln!(text, "{}: its gate is taken off", name(ifindex, links));
    }
    for pair in &removed.pairs {
        let _ = writeln!(text, "{pair}: removed, with its other end and their namespace");
    }
    if removed.settings > 0 {
        let _ = writeln!(text, "settings: {} put back", removed.settings);
    }
    if text.is_empty() && removed.refused.is_empty() {
        text.push_str("no weir that died has left anything in this network namespace\n");
    }
    text
}

fn refusal(owner: &GateOwner, links: &Snapshot) -> String {
    let ports: Vec<String> = owner.gates.iter().map(|at| name(*at, links)).collect();
    let serves = if ports.is_empty() {
        "a weir runs here".to_owned()
    } else {
        format!("a weir runs here and serves {}", ports.join(", "))
    };
    format!(
        "{serves}: stop it, which gives its ports back; if it hangs, kill it first, or --force takes \
         its gates off"
    )
}

pub(super) fn name(ifindex: u32, links: &Snapshot) -> String {
    match links.get(ifindex) {
        Some(link) => link.name.clone(),
        None => format!("interface {ifindex} (gone)"),
    }
}

#[cfg(test)]
mod tests;
