//! The results of a scenario as a readable table. Invariant: every frame that was received is in exactly one
//! row's numbers.

use std::collections::BTreeMap;
use std::fmt;

use super::environment::SimPacket;
use super::{LinkShare, Phase};
use crate::{ContainerCounts, Losses, Rate};

/// The results of one pair: packets from one port for another.
#[derive(Clone, Debug, Default)]
pub struct PairReport {
    pub offered: u64,
    pub delivered: u64,
    /// Bytes delivered while the sources sent: later ones say nothing about shares.
    pub bytes_in_span: u64,
    pub losses: Losses,
    /// Packets delivered after a packet of the same row that had arrived later.
    pub misordered: u64,
    /// The time from arrival to hand-over to the device.
    pub wait_sum_ns: u64,
    pub wait_max_ns: u64,
    pub handed_over: u64,
    pub(super) generated_bytes: u64,
    pub(super) next_seq: u64,
    pub(super) last_seq: u64,
}

/// Rows by (from, to); ports are indices into the scenario.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub name: &'static str,
    pub rows: BTreeMap<(usize, usize), PairReport>,
    pub port_names: Vec<&'static str>,
    pub received: u64,
    /// Pieces of superframes, beyond the superframes themselves.
    pub copies: u64,
    pub in_flight: u64,
    pub span_ns: u64,
    pub held_peak_packets: u64,
    pub held_peak_bytes: u64,
    /// By port.
    pub containers: Vec<ContainerCounts>,
    pub phases: Vec<Phase>,
    /// Invariants found broken during the run; a debug build panics instead.
    pub broken_invariants: u64,
}

impl Report {
    /// Whether what must always hold does: no packet vanished or was counted twice, nothing is in flight any
    /// more, no packet was overtaken, and no invariant was found broken.
    pub fn is_exact(&self) -> bool {
        self.missing() == 0
            && self.in_flight == 0
            && self.broken_invariants == 0
            && self.rows.values().all(|row| row.misordered == 0)
    }

    /// Packets in minus packets out. Above 0, packets vanished without a reason; below 0, some were counted
    /// twice.
    fn missing(&self) -> i64 {
        let went = self.delivered() + self.lost().total() + self.in_flight;
        (self.received + self.copies).cast_signed() - went.cast_signed()
    }

    fn delivered(&self) -> u64 {
        self.rows.values().map(|row| row.delivered).sum()
    }

    /// The losses of all rows.
    pub fn lost(&self) -> Losses {
        let mut lost = Losses::default();
        self.rows.values().for_each(|row| lost += row.losses);
        lost
    }

    pub fn row(&self, from: usize, to: usize) -> PairReport {
        self.rows.get(&(from, to)).cloned().unwrap_or_default()
    }

    pub(super) fn row_mut(&mut self, packet: &SimPacket) -> &mut PairReport {
        self.rows.entry((packet.from, packet.to)).or_default()
    }

    fn name_of(&self, port: usize) -> &'static str {
        self.port_names.get(port).copied().unwrap_or("?")
    }

    fn cells(&self, from: usize, to: usize, row: &PairReport) -> Vec<String> {
        let lost: Vec<String> = row.losses.iter().map(|(why, n)| format!("{why} {n}")).collect();
        vec![
            self.name_of(from).to_owned(),
            self.name_of(to).to_owned(),
            row.offered.to_string(),
            row.delivered.to_string(),
            // Bits per microsecond are Mbit/s. Integer tenths avoid floating point.
            tenths(u128::from(row.bytes_in_span) * 80_000, self.span_ns),
            tenths(u128::from(row.wait_sum_ns) / 100, row.handed_over),
            tenths(u128::from(row.wait_max_ns) / 100, 1),
            row.misordered.to_string(),
            if lost.is_empty() { "-".to_owned() } else { lost.join(", ") },
        ]
    }
}

/// `sum / n`, where `sum` counts tenths.
fn tenths(sum: u128, n: u64) -> String {
    let value = sum.checked_div(n.into()).unwrap_or(0);
    format!("{}.{}", value / 10, value % 10)
}

const HEADS: [&str; 9] =
    ["from", "to", "offered", "delivered", "Mbit/s", "wait us", "max us", "misordered", "lost"];

/// Prints columns as wide as they need to be; those named in `left` are flush left, the others right.
fn table(
    f: &mut fmt::Formatter<'_>,
    heads: &[&str],
    lines: Vec<Vec<String>>,
    left: &[&str],
) -> fmt::Result {
    let heading = heads.iter().map(|&head| head.to_owned()).collect();
    let lines = [vec![heading], lines].concat();
    let width = |column: usize| {
        lines.iter().filter_map(|cells| cells.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..heads.len()).map(|column| width(column).unwrap_or(0)).collect();
    for cells in &lines {
        let mut line = String::new();
        for ((cell, width), head) in cells.iter().zip(&widths).zip(heads) {
            let text = if left.contains(head) {
                format!("{cell:<width$}  ")
            } else {
                format!("{cell:>width$}  ")
            };
            line.push_str(&text);
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

impl Report {
    /// For links that have a rate: what each source got, by phase.
    fn write_shares(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["from", "weight", "min", "max", "offered", "got", "share", "oracle", "off"];
        for (nth, phase) in self.phases.iter().enumerate() {
            for of_link in phase.shares.chunk_by(|one, other| one.to == other.to) {
                let Some(LinkShare { to, link, .. }) = of_link.first() else { continue };
                writeln!(
                    f,
                    "\nphase {}, {} to {} ms, {:?}: link {}, {link}",
                    nth + 1,
                    tenths(u128::from(phase.from_ns) / 100_000, 1),
                    tenths(u128::from(phase.to_ns) / 100_000, 1),
                    phase.policy,
                    self.name_of(*to),
                )?;
                let lines = of_link.iter().map(|share| self.share_cells(share)).collect();
                table(f, &heads, lines, &["from"])?;
            }
        }
        Ok(())
    }

    fn share_cells(&self, share: &LinkShare) -> Vec<String> {
        let rate = |rate: Option<Rate>| rate.map_or("-".to_owned(), |it| it.to_string());
        let mbit = |bps: u64| tenths(u128::from(bps) + 50_000, 100_000);
        let half = u128::from(share.link.bits_per_s / 2);
        let percent = u128::from(share.got_bps) * 1000 + half;
        let (got, due) = (i128::from(share.got_bps), i128::from(share.due_bps));
        let off_permille = ((got - due) * 1000).checked_div(due).unwrap_or(0);
        let sign = if off_permille < 0 { "-" } else { "+" };
        vec![
            self.name_of(share.from).to_owned(),
            share.settings.share.weight.to_string(),
            rate(share.settings.share.min_rate),
            rate(share.settings.share.max_rate),
            mbit(share.offered_bps),
            mbit(share.got_bps),
            format!("{}%", tenths(percent, share.link.bits_per_s)),
            mbit(share.due_bps),
            format!("{sign}{}%", tenths(off_permille.unsigned_abs(), 1)),
        ]
    }

    /// The statistics of each port's containers.
    fn write_containers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for (port, counts) in self.containers.iter().enumerate() {
            let n = counts.released.total();
            if n == 0 {
                continue;
            }
            let reasons: Vec<String> =
                counts.released.iter().map(|(why, n)| format!("{n} {why}")).collect();
            lines.push(vec![
                self.name_of(port).to_owned(),
                n.to_string(),
                tenths(u128::from(counts.packets) * 10, n),
                tenths(u128::from(counts.wait_ns) / 100, n),
                reasons.join(", "),
            ]);
        }
        if lines.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        let heads = ["from", "containers", "packets each", "open us", "let go"];
        table(f, &heads, lines, &["from", "let go"])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.rows.iter().map(|((from, to), row)| self.cells(*from, *to, row));
        writeln!(f, "{}", self.name)?;
        table(f, &HEADS, lines.collect(), &["from", "to", "lost"])?;
        self.write_shares(f)?;
        self.write_containers(f)?;
        writeln!(
            f,
            "\nheld at most: {} packets, {} bytes",
            self.held_peak_packets, self.held_peak_bytes
        )?;
        // Nothing is left to a kernel here.
        write!(
            f,
            "received {} + copies {} = delivered {} + passed 0 + lost {} + in flight {}",
            self.received,
            self.copies,
            self.delivered(),
            self.lost().total(),
            self.in_flight
        )?;
        if self.missing() == 0 { Ok(()) } else { write!(f, " (off by {})", self.missing()) }
    }
}
