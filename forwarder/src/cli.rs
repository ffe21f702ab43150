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

use serde::Serialize;

use weir_api::ClientError;

use crate::observe::dump::DumpError;
use crate::observe::dump::files::{self, FileError};
use weir_schema::ConfigErrors;

/// Why a command that talks to a running weir failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Probe(#[from] weir_probe::ProbeError),
    /// The command line is invalid.
    #[error(transparent)]
    Argument(#[from] ConfigErrors),
    #[error("port {0} is there already; to change it: weir port set {0}")]
    Exists(String),
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0}: the configuration of the running weir has this switched off")]
    NotRecorded(&'static str),
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// The reader of the output is gone (`weir stats --watch | head`): not a failure, and no message.
    #[error("standard output is closed")]
    Closed,
}

/// Where a command writes: a file, or standard output.
#[derive(Debug, Default)]
struct Output(Option<(File, PathBuf)>);

impl Output {
    /// A file that begins empty.
    fn file(path: &Path, options: &mut OpenOptions) -> Result<Self, FileError> {
        let opened = options.write(true).create(true).truncate(true).open(path);
        let failed = |source| FileError { path: path.to_owned(), source };
        Ok(Self(Some((opened.map_err(failed)?, path.to_owned()))))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        if let Some((file, path)) = &mut self.0 {
            let failed = |source| FileError { path: path.clone(), source };
            return Ok(file.write_all(bytes).map_err(failed)?);
        }
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CliError::Closed),
            written => Ok(written?),
        }
    }
}

/// Prints without the panic of `println!` on a closed pipe.
fn print(text: &str) -> Result<(), CliError> {
    Output::default().write(text.as_bytes())
}

/// Prints a report as JSON or as text.
fn show<T: Serialize>(
    json: bool,
    report: &T,
    text: impl FnOnce() -> String,
) -> Result<(), CliError> {
    print(&if json { files::json(report) } else { text() })
}

fn print_json_line<T: Serialize>(report: &T) -> Result<(), CliError> {
    print(&(serde_json::to_string(report).map_err(io::Error::from)? + "\n"))
}
