//! `weir trace`: packets on their way, a block of lines for each.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::args::TraceArgs;
use super::render::{grouped, wrapped};
use super::{CliError, print};
use weir_api::{Client, TraceEvent, TraceLine, TracedPacket};

/// How long the last line may take after Ctrl-C.
const LAST_LINE: Duration = Duration::from_secs(5);
const WIDTH: usize = 80;
/// Where a step's sentence begins.
const INDENT: usize = 26;

pub async fn run(args: &TraceArgs, control: &Path) -> Result<(), CliError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut stream = Client::at(control).trace(&args.wanted().query()).await?;
    let mut lines = Lines::default();
    loop {
        tokio::select! {
            part = stream.next() => match part? {
                Some(part) => lines.show(&part, args.json, control)?,
                None => return Ok(()),
            },
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    // Where it has just ended by itself, there is nothing to end.
    let _ = stream.finish().await;
    let rest = async {
        while let Some(part) = stream.next().await? {
            lines.show(&part, args.json, control)?;
        }
        Ok(())
    };
    timeout(LAST_LINE, rest).await.unwrap_or(Ok(()))
}

/// Lines that come in parts.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn show(&mut self, part: &[u8], json: bool, control: &Path) -> Result<(), CliError> {
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
        TraceLine::End(end) => {
            let mut text = String::new();
            if let Some(note) = &end.note {
                text.push_str(&wrapped(note, 0, WIDTH));
            }
            if end.missed > 0 {
                let missed = grouped(end.missed);
                let _ = writeln!(text, "{missed} steps are missing: the buffer was full");
            }
            text
        }
    }
}

fn block(packet: &TracedPacket) -> String {
    let TracedPacket { number, port, length, vlan, segment, summary, outcome, .. } = packet;
    let mut text =
        format!("packet {number} at {port}: {} bytes, {}\n", grouped(*length), outcome.name());
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
        // One line where it fits, further ones below the sentence.
        let sentence = wrapped(&sentence, INDENT, WIDTH);
        let _ = write!(text, "{:>12}  {name:<10}  {}", us(step.at_ns), sentence.trim_start());
    }
    text + "\n"
}

/// The name of a step, and what there is to say about it.
fn told(what: &TraceEvent) -> (&'static str, String) {
    match what {
        TraceEvent::Steered => ("steered", "by the program, to the worker".to_owned()),
        TraceEvent::Refused { outcome, means } => ("passed", format!("{outcome}: {means}")),
        TraceEvent::Taken { core, waited_ns } => {
            let waited = us(*waited_ns);
            ("taken", format!("by the worker on core {core}, {} in the ring", waited.trim()))
        }
        TraceEvent::Decided { to } => ("decided", format!("to {to}")),
        TraceEvent::Cut { to, pieces } => ("cut", format!("into {pieces} pieces for {to}")),
        TraceEvent::Released { to, container_ns } => {
            ("released", format!("for {to}, {} in its container", us(*container_ns).trim()))
        }
        TraceEvent::Sent { to, queue_ns } => {
            ("sent", format!("to {to}, {} in the queue", us(*queue_ns).trim()))
        }
        TraceEvent::Delivered { to, tx_ns, residence_ns } => (
            "delivered",
            format!(
                "to {to}, {} to the kernel, {} in all",
                us(*tx_ns).trim(),
                us(*residence_ns).trim()
            ),
        ),
        TraceEvent::Lost { reason, means } => ("lost", format!("{reason}: {means}")),
    }
}

/// Microseconds with a tenth.
fn us(ns: u64) -> String {
    format!("{}.{} us", grouped(ns / 1000), ns / 100 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_api::{TraceEnd, TraceOutcome, TraceStep, VERSION};

    fn packet(outcome: TraceOutcome, steps: &[(u64, TraceEvent)]) -> TraceLine {
        let steps =
            steps.iter().map(|(at_ns, what)| TraceStep { at_ns: *at_ns, what: what.clone() });
        TraceLine::Packet(Box::new(TracedPacket {
            version: VERSION,
            number: 1,
            port: "v1".into(),
            ingress_unix_ns: 5,
            length: 1042,
            vlan: 0,
            segment: 0,
            flags: vec!["ipv4".into(), "udp".into()],
            summary: "02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 UDP 10.0.0.1:7 > 10.0.0.2:9"
                .into(),
            outcome,
            steps: steps.collect(),
        }))
    }

    #[test]
    fn a_packets_way_is_a_block_of_aligned_lines() {
        let to = || "v2".to_owned();
        let line = packet(
            TraceOutcome::Delivered,
            &[
                (0, TraceEvent::Steered),
                (12_340, TraceEvent::Taken { core: 1, waited_ns: 12_340 }),
                (12_340, TraceEvent::Decided { to: to() }),
                (15_000, TraceEvent::Released { to: to(), container_ns: 2660 }),
                (1_015_000, TraceEvent::Sent { to: to(), queue_ns: 1_000_000 }),
                (
                    1_017_000,
                    TraceEvent::Delivered { to: to(), tx_ns: 2000, residence_ns: 1_017_000 },
                ),
            ],
        );
        let expected = "\
packet 1 at v1: 1,042 bytes, delivered
  02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 UDP 10.0.0.1:7 > 10.0.0.2:9
  metadata: ipv4 udp
      0.0 us  steered     by the program, to the worker
     12.3 us  taken       by the worker on core 1, 12.3 us in the ring
     12.3 us  decided     to v2
     15.0 us  released    for v2, 2.6 us in its container
  1,015.0 us  sent        to v2, 1,000.0 us in the queue
  1,017.0 us  delivered   to v2, 2.0 us to the kernel, 1,017.0 us in all

";
        assert_eq!(text(&line), expected);
    }

    #[test]
    fn a_loss_says_what_it_means_within_80_columns() {
        let reason = weir_core::Reason::Spoofed;
        let (name, means) = (reason.name().to_owned(), reason.describe().to_owned());
        let shown =
            text(&packet(TraceOutcome::Lost, &[(0, TraceEvent::Lost { reason: name, means })]));
        assert!(shown.contains("      0.0 us  lost        spoofed: The source address"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }

    #[test]
    fn lines_may_come_in_parts_and_the_end_says_what_is_missing() {
        let end = TraceEnd { version: VERSION, packets: 1, missed: 1200, note: None };
        assert_eq!(
            text(&TraceLine::End(end.clone())),
            "1,200 steps are missing: the buffer was full\n"
        );
        assert_eq!(text(&TraceLine::End(TraceEnd { missed: 0, ..end.clone() })), "");
        let json = serde_json::to_string(&TraceLine::End(end)).unwrap();
        let mut lines = Lines::default();
        for part in json.as_bytes().chunks(10) {
            lines.show(part, true, Path::new("x")).unwrap();
        }
        assert_eq!(lines.0.len(), json.len());
    }
}
