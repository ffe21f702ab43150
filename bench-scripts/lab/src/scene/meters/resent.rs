//! TCP segments that were sent again. Invariant: counted by the kernels of all senders, from their
//! own beginning; read only where TCP is sent.

use std::fs;

use anyhow::{Context, Result};

use crate::spec::Kind;
use crate::stage::Stage;

/// By all VMs and the uplink host together, so far; `None` where nothing is sent by TCP.
pub(crate) fn read(stage: &Stage) -> Result<Option<u64>> {
    if !stage.scene().traffic.iter().any(|traffic| traffic.kind == Kind::Tcp) {
        return Ok(None);
    }
    let (guests, uplink) = (&stage.bed().guests, &stage.bed().uplink);
    let all = guests.iter().chain([uplink]).map(|guest| {
        let text = guest.ns.run(|| {
            fs::read_to_string("/proc/thread-self/net/snmp").context("no counters of TCP")
        })?;
        of(&text)
    });
    all.sum::<Result<u64>>().map(Some)
}

fn of(snmp: &str) -> Result<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next(), lines.next());
    let names = names.context("TCP has no names of counters")?.split(' ');
    let mut pairs = names.zip(values.context("TCP has no counters")?.split(' '));
    let found = pairs.find(|(name, _)| *name == "RetransSegs");
    let (_, value) = found.context("TCP does not count what it sends again")?;
    value.parse().with_context(|| format!("{value} is no count"))
}

#[cfg(test)]
mod tests;
