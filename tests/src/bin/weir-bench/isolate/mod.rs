//! Isolation: what one VM gets on a contended link, whatever the others do. Weir against a Linux
//! bridge with HTB (a class for each VM), and with a plain queue, for the picture.
//!
//! The link towards the uplink host is shaped. Senders have core 0, weir's worker core 1; receivers
//! do not run at all: an XDP program at the uplink host's end counts bytes by source, drops the
//! floods, and takes the time of the polite flow's datagrams as they arrive.

mod capacity;
mod connections;
pub(crate) mod load;
mod overload;
mod polite;
mod shares;
mod stage;
mod tcp;

use crate::Plan;
use crate::report::Report;
use anyhow::{Context, Result};
use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Weights 1:2:5 and a minimum rate on 100 Mb/s, frames of one size and of two
    Shares,
    /// A light flow beside three floods on 200 Mb/s: its loss and delay
    Polite,
    /// The same beside floods at 100 000 packets a second each: what it costs
    PolitePaced,
    /// Four VMs with bulk TCP and the light flow
    Tcp,
    /// Ten connections in one VM against one in another
    Connections,
    /// 1.5 million packets a second offered to 200 Mb/s, both ways
    Overload,
    /// The worker's limit against another binary's (--against)
    Capacity,
    /// All of these; `capacity` only with --against
    All,
}

pub(crate) fn measure(case: Case, plan: &Plan, report: &mut Report) -> Result<()> {
    match case {
        Case::Shares => shares::measure(plan, report),
        Case::Polite => polite::measure(plan, report),
        Case::PolitePaced => polite::measure_paced(plan, report),
        Case::Tcp => tcp::measure(plan, report),
        Case::Connections => connections::measure(plan, report),
        Case::Overload => overload::measure(plan, report),
        Case::Capacity => capacity::measure(plan, report),
        Case::All => {
            for &each in Case::value_variants() {
                if each != Case::All && (each != Case::Capacity || plan.against.is_some()) {
                    measure(each, plan, report).with_context(|| format!("isolate {each:?}"))?;
                }
            }
            Ok(())
        }
    }
}
