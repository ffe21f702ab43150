//! `weir capture`: writes the running weir's packets to a file or a pipe.
//!
//! Invariant: only whole blocks are written, so the file can be read wherever it ends.

mod blocks;

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use self::blocks::{Blocks, Counts};
use super::args::CaptureArgs;
use super::render::grouped;
use super::stop::{Stop, follow};
use super::Output;
use weir_api::Client;
use weir_schema::ConfigErrors;

/// The file to write to; `-` is standard output.
fn open(path: &Path) -> anyhow::Result<Output> {
    if path != Path::new("-") {
        // Only the owner may read the guests' traffic.
        return Ok(Output::file(path, File::options().mode(0o600))?);
    }
    if io::stdout().is_terminal() {
        let wrong = "a capture is nothing for a terminal to show";
        let valid = "valid: -w FILE, or a pipe: weir capture | wireshark -k -i -";
        return Err(ConfigErrors::argument("-w", wrong, valid).into());
    }
    Ok(Output::default())
}

pub async fn run(args: &CaptureArgs, control: &Path) -> anyhow::Result<()> {
    let stop = Stop::listen()?;
    let mut output = open(&args.write)?;
    let mut stream = Client::at(control).capture(&args.wanted().query()).await?;
    let mut blocks = Blocks::default();
    // Progress goes to standard error, and only if it is a terminal.
    let begin = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    follow(&mut stream, stop, |part| {
        match part {
            Some(part) => output.write(blocks.take_in(part))?,
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
