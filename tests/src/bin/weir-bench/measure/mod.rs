//! Whether what is measured is true, and what many flows take.
//!
//! Senders have core 0, weir's worker core 1; receivers do not run: an XDP program at the far end
//! counts, and takes the time of the probe's datagrams as they arrive.

mod agree;
mod memory;
mod synflood;

use crate::Plan;
use crate::report::Report;
use anyhow::{Context, Result};
use clap::ValueEnum;
use system_tests::Weir;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// A probe's one-way times against weir's own residence and the floor of a bare veth
    Agree,
    /// A million flows beside a polite and a bulk flow, against as many packets of one flow
    Synflood,
    /// What the histograms of 10 000 flows take
    Memory,
    /// All of these
    All,
}

/// As many flows as weir tells apart by default.
const CAPACITY: u32 = 4096;

pub(crate) fn measure(case: Case, plan: &Plan, report: &mut Report) -> Result<()> {
    match case {
        Case::Agree => agree::measure(plan, report),
        Case::Synflood => synflood::measure(plan, report),
        Case::Memory => memory::measure(plan, report),
        Case::All => {
            for &each in Case::value_variants() {
                if each != Case::All {
                    measure(each, plan, report).with_context(|| format!("measure {each:?}"))?;
                }
            }
            Ok(())
        }
    }
}

/// Flows that weir tells apart at the moment.
fn known_flows(weir: &Weir) -> Result<f64> {
    Ok(weir.flows()?.known as f64)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
