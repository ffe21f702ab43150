//! `weir trace`: packets on their way, a block of lines for each.

use std::fmt::Write as _;
use std::path::Path;

use super::args::TraceArgs;
use super::print;
use super::render::{WIDTH, grouped, hanging};
use super::stop::{Stop, follow};
use weir_api::{Client, TraceEvent, TraceLine, TraceOutcome, TracedPacket};
use weir_core::Choice as _;

pub async fn run(args: &TraceArgs, control: &Path) -> anyhow::Result<()> {
    let stop = Stop::listen()?;
    let mut stream = Client::at(control).trace(&args.query()).await?;
    let mut lines = Lines::default();
    let show = |part: Option<&[u8]>| lines.show(part.unwrap_or_default(), args.json, control);
    follow(&mut stream, stop, show).await
}

/// Lines that arrive in parts.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn show(&mut self, part: &[u8], json: bool, control: &Path) -> anyhow::Result<()> {
        self.0.extend_from_slice(part);
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            if json {
                print(&String::from_utf8_lossy(&line))?;
                continue;
            }
            let told = serde_json::from_slice(&line)
                .map_err(|error| Client::at(control).garbled(error))?;
            print(&text(&told))?;
        }
        Ok(())
    }
}

fn text(line: &TraceLine) -> String {
    match line {
        TraceLine::Packet(packet) => block(packet),
        TraceLine::End(end) if end.missed == 0 => String::new(),
        TraceLine::End(end) => {
            format!("{} steps are missing: the buffer was full\n", grouped(end.missed))
        }
    }
}

fn block(packet: &TracedPacket) -> String {
    let TracedPacket { number, port, length, vlan, segment, summary, outcome, .. } = packet;
    let outcome = match outcome {
        TraceOutcome::Partly => "delivered in part",
        other => other.name(),
    };
    let mut text = format!("packet {number} at {port}: {} bytes, {outcome}\n", grouped(*length));
    let _ = writeln!(text, "  {summary}");
    if *vlan != 0 {
        let _ = writeln!(text, "  VLAN {vlan}");
    }
    if *segment != 0 {
        let _ = writeln!(text, "  superframe, segments of {segment} bytes");
    }
    if !packet.flags.is_empty() {
        let _ = writeln!(text, "  metadata: {}", packet.flags.join(" "));
    }
    for step in &packet.steps {
        let (name, sentence) = told(&step.what);
        let lead = format!("{:>12}  {name:<10}  ", us(step.at_ns));
        text.push_str(&hanging(&lead, &sentence, WIDTH));
    }
    text + "\n"
}

/// The name of a step, and its details.
fn told(what: &TraceEvent) -> (&'static str, String) {
    match what {
        TraceEvent::Steered => ("steered", "by the program, to the worker".to_owned()),
        TraceEvent::Refused { outcome, means } => ("passed", format!("{outcome}: {means}")),
        TraceEvent::Taken { core, waited_ns } => {
            ("taken", format!("by the worker on core {core}, {} in the ring", us(*waited_ns)))
        }
        TraceEvent::Decided { to } => ("decided", format!("to {to}")),
        TraceEvent::Cut { to, pieces } => ("cut", format!("into {pieces} pieces for {to}")),
        TraceEvent::Released { to, container_ns } => {
            ("released", format!("for {to}, {} in its container", us(*container_ns)))
        }
        TraceEvent::Sent { to, queue_ns } => {
            ("sent", format!("to {to}, {} in the queue", us(*queue_ns)))
        }
        TraceEvent::Delivered { to, tx_ns, residence_ns } => (
            "delivered",
            format!("to {to}, {} to the kernel, {} in all", us(*tx_ns), us(*residence_ns)),
        ),
        TraceEvent::Lost { reason, means } => ("lost", format!("{reason}: {means}")),
    }
}

/// Microseconds with a tenth.
fn us(ns: u64) -> String {
    format!("{}.{} us", grouped(ns / 1000), ns / 100 % 10)
}

#[cfg(test)]
mod tests;
