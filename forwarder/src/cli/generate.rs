//! `weir completions` and `weir man`: the command line's description for shells and for `man`.
//! Invariant: made from the same definitions as `--help`, so they cannot disagree.

use std::path::Path;

use clap::{Command, CommandFactory as _, builder::Resettable};
use clap_complete::Shell;

use super::args::Cli;
use super::print;
use crate::observe::dump::files;

pub fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "weir", &mut text);
    print(&String::from_utf8_lossy(&text))
}

pub fn man(folder: &Path) -> anyhow::Result<()> {
    files::make_folder(folder)?;
    let mut weir = Cli::command();
    weir.build();
    pages(&weir, folder)
}

/// A page for the command, and one for each subcommand: `weir-port-list.1`.
fn pages(command: &Command, folder: &Path) -> anyhow::Result<()> {
    for below in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages(below, folder)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    files::write(&folder.join(format!("{name}.1")), &page(command)?)
}

fn page(command: &Command) -> anyhow::Result<String> {
    let mut text = Vec::new();
    // Kept verbatim: in a paragraph, the lines of the examples would run together.
    let plain = command.clone().after_long_help(Resettable::Reset);
    clap_mangen::Man::new(plain).render(&mut text)?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if let Some(help) = command.get_after_long_help() {
        text += ".SH EXAMPLES\n.nf\n";
        for line in help.to_string().lines().filter(|line| *line != "Examples:") {
            text.extend([&literal(line), "\n"]);
        }
        text += ".fi\n";
    }
    Ok(text)
}

/// Escapes everything that troff would interpret: backslashes, and a point at the beginning.
fn literal(line: &str) -> String {
    format!("\\&{}", line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq"))
}

#[cfg(test)]
mod tests;
