//! The operator's commands and their output. Invariant: nothing here touches a port, except
//! `weir detach`, which leaves a running weir alone; a running weir is asked over its control socket.

pub mod args;
pub mod capture;
pub mod change;
pub mod detach;
pub mod doctor;
pub mod dump;
pub mod generate;
pub mod log;
pub mod probe;
pub mod render;
pub mod stats;
mod stop;
pub mod top;
pub mod trace;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::observe::dump::files;

/// The reader of the output is gone (`weir stats --watch | head`).
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct Closed;

/// A command whose reader has closed the pipe ends, and has not failed.
pub fn unless_closed(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    outcome.or_else(|error| if error.is::<Closed>() { Ok(()) } else { Err(error) })
}

/// Where a command writes: a file, or standard output.
#[derive(Debug, Default)]
struct Output(Option<(File, PathBuf)>);

impl Output {
    /// A file that begins empty.
    fn file(path: &Path, options: &mut OpenOptions) -> anyhow::Result<Self> {
        let opened = options.write(true).create(true).truncate(true).open(path);
        let file = opened.with_context(|| path.display().to_string())?;
        Ok(Self(Some((file, path.to_owned()))))
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if let Some((file, path)) = &mut self.0 {
            return file.write_all(bytes).with_context(|| path.display().to_string());
        }
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
            written => written.context("standard output"),
        }
    }
}

/// Prints without the panic of `println!` on a closed pipe.
fn print(text: &str) -> anyhow::Result<()> {
    Output::default().write(text.as_bytes())
}

/// Prints a report as JSON or as text.
fn show<T: Serialize>(json: bool, report: &T, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    print(&if json { files::json(report) } else { text() })
}

fn print_json_line<T: Serialize>(report: &T) -> anyhow::Result<()> {
    print(&(serde_json::to_string(report)? + "\n"))
}
