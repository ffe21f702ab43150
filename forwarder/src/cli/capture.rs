//! `weir capture`: the running weir's packets into a file or a pipe.
//!
//! Invariant: only whole blocks are written, so the file can be read wherever it ends.

mod blocks;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::blocks::{Blocks, Counts};
use super::CliError;
use super::args::CaptureArgs;
use super::render::grouped;
use crate::observe::dump::files::FileError;
use weir_api::{Client, Stream};
use weir_schema::ConfigErrors;

/// How long the last packets may take after Ctrl-C.
const LAST_PACKETS: Duration = Duration::from_secs(5);

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
        // What guests say to each other is nobody else's business.
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
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut output = Output::open(&args.write)?;
    let mut stream = Client::at(control).capture(&args.wanted().query()).await?;
    let mut blocks = Blocks::default();
    let mut progress = Progress::new();
    loop {
        tokio::select! {
            part = stream.next() => match part? {
                Some(part) => output.write(blocks.take_in(&part), &args.write)?,
                None => break,
            },
            () = progress.due() => progress.show(blocks.counts()),
            _ = interrupt.recv() => { finish(&mut stream, &mut output, &mut blocks, args).await?; break; }
            _ = terminate.recv() => { finish(&mut stream, &mut output, &mut blocks, args).await?; break; }
        }
    }
    progress.end(blocks.counts());
    Ok(())
}

/// Has weir tell the end, and writes what still comes until then.
async fn finish(
    stream: &mut Stream,
    output: &mut Output,
    blocks: &mut Blocks,
    args: &CaptureArgs,
) -> Result<(), CliError> {
    // Where it has just ended by itself, there is nothing to end.
    let _ = stream.finish().await;
    let rest = async {
        while let Some(part) = stream.next().await? {
            output.write(blocks.take_in(&part), &args.write)?;
        }
        Ok(())
    };
    timeout(LAST_PACKETS, rest).await.unwrap_or(Ok(()))
}

/// What was written so far, on standard error if somebody looks at it.
struct Progress {
    terminal: bool,
    tick: tokio::time::Interval,
}

impl Progress {
    fn new() -> Self {
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { terminal: io::stderr().is_terminal(), tick }
    }

    async fn due(&mut self) {
        if self.terminal {
            self.tick.tick().await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    fn show(&self, counts: Counts) {
        let _ = write!(io::stderr(), "\r\x1b[K{}", line(counts));
    }

    fn end(&self, counts: Counts) {
        let back = if self.terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(io::stderr(), "{back}{}", line(counts));
    }
}

fn line(counts: Counts) -> String {
    let Counts { packets, bytes, missed } = counts;
    let plural = if packets == 1 { "packet" } else { "packets" };
    format!("{} {plural}, {} bytes, {} missed", grouped(packets), grouped(bytes), grouped(missed))
}

#[cfg(test)]
mod tests;
