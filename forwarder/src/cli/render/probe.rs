//! A probe's results as text.

use super::{Table, grouped, paragraph, per_second, short};
use weir_api::Summary;
use weir_probe::rate::frame_overhead;
use weir_probe::report::{FloorReport, Named, RawReport, SendReport, SessionReport, SinkReport};

/// Figures in one column, with their meaning before and a remark after.
#[derive(Default)]
struct Figures(String);

impl Figures {
    fn add(&mut self, name: &str, figure: u64, remark: &str) {
        let line = format!("  {name:<13}{:>15}  {remark}", grouped(figure));
        self.0.extend([line.trim_end(), "\n"]);
    }

    /// The same for a figure that is shown only if it is not 0.
    fn some(&mut self, name: &str, figure: u64, remark: &str) {
        if figure > 0 {
            self.add(name, figure, remark);
        }
    }
}

/// What was sent, and what came back.
pub(crate) fn send(report: &SendReport) -> String {
    let flows =
        if report.flows == 1 { "one flow".into() } else { format!("{} flows", report.flows) };
    let (target, rate, size) = (&report.target, &report.rate, &report.size);
    let head = format!("Sent to {target} at {rate}, {size} bytes, {flows}");
    let mut text = paragraph(&head);
    let mut figures = Figures::default();
    let bits = report.frame_bytes.saturating_mul(8);
    figures.add("sent", report.datagrams, &speed(report.datagrams, bits, report.elapsed_ns));
    let refused: Vec<String> =
        report.refused.iter().map(|(error, n)| format!("{error} {}", grouped(*n))).collect();
    let remark = format!("not sent: {}", refused.join(", "));
    figures.some("refused", report.refused.values().sum(), &remark);
    figures.some("overdue", report.overdue, "not sent: more than this machine can");
    figures.some("unreachable", report.unreachable, "times: no listener there, or no way");
    match &report.acknowledged {
        Some(other) => {
            let heard = if other.flows < report.flows {
                format!("of {} flows, the others did not answer", other.flows)
            } else {
                "says the other side".to_owned()
            };
            figures.add("received", other.received, &heard);
            figures.add("lost", other.lost, &share(other.lost, other.sent));
            if other.duplicates + other.reordered > 0 {
                figures.add("duplicates", other.duplicates, "");
                figures.add("reordered", other.reordered, &share(other.reordered, other.received));
            }
        }
        None => text.push_str("What came is not known: neither sink nor reflector answered.\n"),
    }
    if let Some(back) = &report.round_trips {
        figures.add("answered", back.unique, "");
        if let Some(lost) = back.lost_on_the_way_back {
            figures.add("lost back", lost, &share(lost, lost + back.unique));
        }
        if back.duplicates + back.reordered + back.late > 0 {
            let rest = format!("{} twice, {} late, on the way back", back.duplicates, back.late);
            figures.add("reordered", back.reordered, &rest);
        }
    }
    let jitter = report.round_trips.as_ref().map_or_else(String::new, |back| {
        jitter(back.jitter_mean_ns, back.jitter_max_ns, report.flows)
    });
    text + &figures.0 + "\n" + &times(&report.spreads()) + &jitter
}

/// What arrived, by session.
pub(crate) fn sink(report: &SinkReport, by_flow: bool) -> String {
    let mut text = String::new();
    if report.sessions.is_empty() {
        text.push_str(&format!("Nothing came to {}\n", report.listening));
    }
    for session in &report.sessions {
        text += &one(session, report.kind == "reflect");
        if by_flow {
            text.extend(["\n", &flows(session)]);
        }
    }
    let mut figures = Figures::default();
    let full = "the socket's buffer was full (net.core.rmem_max)";
    figures.some("dropped here", report.socket_dropped, full);
    figures.some("foreign", report.foreign, "datagrams of others than a probe");
    figures.some("not kept", report.unkept, "of more sessions or flows than are told apart");
    let short = "too short (64 bytes), or could not be sent";
    figures.some("unanswered", report.unanswered, short);
    text + &figures.0
}

fn one(session: &SessionReport, reflected: bool) -> String {
    let mut text = format!("From {} (session {})\n", session.from, session.session);
    let v6 = !session.from.contains('.');
    let frames = session.bytes + session.datagrams * u64::from(frame_overhead(v6));
    let mut figures = Figures::default();
    let remark = if session.ended { "" } else { "so far as heard: the sender did not say" };
    figures.add("sent", session.sent, remark);
    let bits = frames.saturating_mul(8);
    figures.add("received", session.unique, &speed(session.datagrams, bits, session.elapsed_ns));
    figures.add("lost", session.lost, &share(session.lost, session.sent));
    let extent = format!("by up to {}", session.largest_extent);
    figures.add("reordered", session.reordered, if session.reordered > 0 { &extent } else { "" });
    figures.add("duplicates", session.duplicates, "");
    figures.some("late", session.late, "more than 65,536 behind: counted as lost");
    if reflected {
        figures.add("sent back", session.replied, "");
    }
    let waking = session.waking.as_ref().map(|spread| ("waking", spread));
    let mut named: Vec<Named<'_>> = vec![("one way", &session.latency)];
    named.extend(waking);
    named.push(("interarrival", &session.interarrival));
    let flows = session.flows.len() as u64;
    let jitter = jitter(session.jitter_mean_ns, session.jitter_max_ns, flows);
    text += &format!("{}\n{}{jitter}", figures.0, times(&named));
    if !session.same_host {
        text.push_str(&paragraph(
            "One way is the difference of two machines' clocks: as good as they agree.",
        ));
    }
    if session.before_sent > 0 {
        text.push_str(&paragraph(&format!(
            "{} came before they were sent, by the clocks: these do not agree.",
            grouped(session.before_sent)
        )));
    }
    text
}

fn flows(session: &SessionReport) -> String {
    Table::fitting(|number| {
        Table::of(
            &session.flows,
            &[
                (">FLOW", &|flow| flow.flow.to_string()),
                (">SENT", &|flow| number(flow.sent)),
                (">RECEIVED", &|flow| number(flow.unique)),
                (">LOST", &|flow| number(flow.lost)),
                (">REORDERED", &|flow| number(flow.reordered)),
                (">TWICE", &|flow| number(flow.duplicates)),
                (">JITTER us", &|flow| us(flow.jitter_ns)),
            ],
        )
    })
}

/// The bare veth: the delay, and how punctual the sender was.
pub(crate) fn floor(report: &FloorReport) -> String {
    let (sink, times) = (sink(&report.sink, false), times(&[("lateness", &report.send.lateness)]));
    format!("The probe itself, over a veth with nothing between\n\n{sink}\n{times}")
}

/// Counts of frames.
pub(crate) fn raw(report: &RawReport) -> String {
    let mut text = match (report.kind, report.way) {
        ("raw-sink", _) => format!("Counted at {}, in XDP\n", report.interface),
        (_, "af-xdp") => format!("Sent by {}, over an AF_XDP socket\n", report.interface),
        _ => format!("Sent by {}, as XDP live frames\n", report.interface),
    };
    if let Some(why) = &report.instead_because {
        text.push_str(&paragraph(&format!("({why})")));
    }
    let mut figures = Figures::default();
    let bits = report.frames.saturating_mul(8 * report.frame_size);
    figures.add("frames", report.frames, &speed(report.frames, bits, report.elapsed_ns));
    text.push_str(&figures.0);
    if report.kind == "raw-send" {
        text.push_str(&paragraph(
            "Handed over for sending. All are the same, without numbers and times: \
             `weir probe sink --raw` at the other end counts what came.",
        ));
    }
    text
}

/// A row for each histogram, in microseconds.
fn times(named: &[Named<'_>]) -> String {
    let named = named.iter().filter(|(_, spread)| !spread.is_empty());
    let time = |ns: fn(&Summary) -> u64| move |(_, of): &(&str, Summary)| us(ns(of));
    Table::of(
        named.map(|(name, spread)| (*name, spread.summary())),
        &[
            ("us", &|(name, _)| (*name).to_owned()),
            (">MIN", &time(|of| of.min_ns)),
            (">MEAN", &time(|of| of.mean_ns)),
            (">P50", &time(|of| of.p50_ns)),
            (">P90", &time(|of| of.p90_ns)),
            (">P99", &time(|of| of.p99_ns)),
            (">P99.9", &time(|of| of.p999_ns)),
            (">MAX", &time(|of| of.max_ns)),
        ],
    )
    .render()
}

fn jitter(mean_ns: u64, max_ns: u64, flows: u64) -> String {
    match flows {
        0 | 1 => format!("jitter (RFC 3550) {} us\n", us(mean_ns)),
        _ => format!("jitter (RFC 3550) {} us, worst flow {} us\n", us(mean_ns), us(max_ns)),
    }
}

/// Microseconds with three significant digits, or more for the integer part.
fn us(ns: u64) -> String {
    let us = ns as f64 / 1000.0;
    match ns {
        0..10_000 => format!("{us:.2}"),
        10_000..100_000 => format!("{us:.1}"),
        _ => format!("{us:.0}"),
    }
}

/// `in 10.00 s: 2.00k/s, 1.69Mbit/s of frames`.
fn speed(count: u64, bits: u64, elapsed_ns: u64) -> String {
    if count == 0 || elapsed_ns == 0 {
        return String::new();
    }
    let rate = |n| short(per_second(n, elapsed_ns).unwrap_or(0));
    let bits = if bits == 0 { String::new() } else { format!(", {}bit/s of frames", rate(bits)) };
    format!("in {:.2} s: {}/s{bits}", elapsed_ns as f64 / 1e9, rate(count))
}

fn share(part: u64, whole: u64) -> String {
    if part == 0 {
        return String::new();
    }
    format!("{:.4} %", part as f64 * 100.0 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests;
