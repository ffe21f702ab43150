//! `weir capture`: writes the running weir's packets to a file or a pipe.
//!
//! Invariant: only whole blocks are written, so the file can be read wherever it ends.

mod blocks;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use self::blocks::{Blocks, Counts};
use super::CliError;
use super::args::CaptureArgs;
use super::render::grouped;
use super::stop::{Stop, follow};
use crate::observe::dump::files::FileError;
use weir_api::Client;
use weir_schema::ConfigErrors;

enum Output {
    Pipe(io::Stdout),
    File(File),
}

impl Output {
    fn open(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("-") {
            if io::stdout().is_terminal() {
                let wrong = "a capture is nothing for a terminal to show";
                let valid = "valid: -w FILE, or a pipe: weir capture | wireshark -k -i -";
                return Err(ConfigErrors::argument("-w", wrong, valid).into());
            }
            return Ok(Self::Pipe(io::stdout()));
        }
        // Only the owner may read the guests' traffic.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let opened = options.open(path);
        opened.map(Self::File).map_err(|source| failed(path, source))
    }

    fn write(&mut self, bytes: &[u8], path: &Path) -> Result<(), CliError> {
        match self {
            Self::File(file) => file.write_all(bytes).map_err(|source| failed(path, source)),
            Self::Pipe(pipe) => match pipe.write_all(bytes).and_then(|()| pipe.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CliError::Closed),
                written => Ok(written?),
            },
        }
    }
}

fn failed(path: &Path, source: io::Error) -> CliError {
    FileError { path: path.to_owned(), source }.into()
}

pub async fn run(args: &CaptureArgs, control: &Path) -> Result<(), CliError> {
    let stop = Stop::listen()?;
    let mut output = Output::open(&args.write)?;
    let mut stream = Client::at(control).capture(&args.wanted().query()).await?;
    let mut blocks = Blocks::default();
    // Progress goes to standard error, and only if it is a terminal.
    let begin = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    follow(&mut stream, stop, |part| {
        match part {
            Some(part) => output.write(blocks.take_in(part), &args.write)?,
            None if begin.is_empty() => {}
            None => drop(write!(io::stderr(), "{begin}{}", line(blocks.counts()))),
        }
        Ok(())
    })
    .await?;
    let _ = writeln!(io::stderr(), "{begin}{}", line(blocks.counts()));
    Ok(())
}

fn line(counts: Counts) -> String {
    let Counts { packets, bytes, missed } = counts;
    let plural = if packets == 1 { "packet" } else { "packets" };
    format!("{} {plural}, {} bytes, {} missed", grouped(packets), grouped(bytes), grouped(missed))
}

#[cfg(test)]
mod tests;
