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
pub mod port;
pub mod probe;
pub mod render;
pub mod stats;
mod stop;
pub mod top;
pub mod trace;

use std::io::{self, Write};

use serde::Serialize;

use weir_api::ClientError;

use crate::observe::dump::{DumpError, files::FileError};
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

/// Prints without the panic of `println!` on a closed pipe.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CliError::Closed),
        written => Ok(written?),
    }
}

fn print_json<T: Serialize>(report: &T) -> Result<(), CliError> {
    print(&(serde_json::to_string_pretty(report).map_err(io::Error::from)? + "\n"))
}

fn print_json_line<T: Serialize>(report: &T) -> Result<(), CliError> {
    print(&(serde_json::to_string(report).map_err(io::Error::from)? + "\n"))
}
