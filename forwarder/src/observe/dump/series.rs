//! The histograms of a report, each under a tag that names it. Invariant: a tag has no comma, no
//! space and no line end, which would end it in an interval log.

use anyhow::Context as _;
use hdrhistogram::Histogram;
use weir_core::latency::histogram;

use weir_api::histogram::decode;
use weir_api::{FlowReport, FlowSumReport, FlowsReport, LatencyReport, Times, VifTimes};

/// The name of the merged vifs.
pub const ALL: &str = "all";

#[derive(Clone, Debug)]
pub struct Series {
    /// `v1.residence`; of a flow `v1.udp.10.0.0.1:5000>10.0.0.2:53`.
    pub tag: String,
    pub times: Histogram<u64>,
}

impl Series {
    fn read(name: String, encoded: Option<&String>) -> anyhow::Result<Self> {
        let times = whole(&name, encoded)?;
        Ok(Self { tag: tag(&name), times })
    }
}

/// Every stage of every vif, and the vif's residence.
pub fn of_latency(report: &LatencyReport) -> anyhow::Result<Vec<Series>> {
    let stages = report.vifs.iter().flat_map(|vif| vif.stages.iter().map(move |at| (vif, at)));
    stages
        .map(|(vif, at)| Series::read(format!("{}.{}", vif.name, at.stage), at.histogram.as_ref()))
        .collect()
}

/// The residence of every flow, and of the sums over those that have no row.
pub fn of_flows(report: &FlowsReport) -> anyhow::Result<Vec<Series>> {
    let flows = report.flows.iter().map(|flow| (name(flow), &flow.histogram));
    let sums = report.sums.iter().map(|sum| (sum_name(sum), &sum.histogram));
    flows.chain(sums).map(|(name, histogram)| Series::read(name, histogram.as_ref())).collect()
}

/// The same stages, each merged over all vifs: a report of one vif, [`ALL`].
pub fn by_stage(report: &LatencyReport) -> anyhow::Result<LatencyReport> {
    let mut merged: Vec<(String, Histogram<u64>)> = Vec::new();
    for vif in &report.vifs {
        for at in &vif.stages {
            let times = whole(&format!("{}.{}", vif.name, at.stage), at.histogram.as_ref())?;
            match merged.iter_mut().find(|(stage, _)| *stage == at.stage) {
                Some((_, sum)) => add(sum, &times),
                None => merged.push((at.stage.clone(), times)),
            }
        }
    }
    let stages = merged.iter().map(|(stage, times)| Times::of(stage, times)).collect();
    let all = VifTimes { name: ALL.to_owned(), stages };
    Ok(LatencyReport { vifs: vec![all], ..report.clone() })
}

/// weir's histograms have one shape, so no value is ever out of another's range.
pub(super) fn add(sum: &mut Histogram<u64>, times: &Histogram<u64>) {
    let _ = sum.add(times);
}

/// Decodes a histogram.
pub(super) fn whole(name: &str, encoded: Option<&String>) -> anyhow::Result<Histogram<u64>> {
    let absent = || format!("weir's answer has no histogram of {name}: is it another version?");
    let garbled = || format!("weir's histogram of {name} cannot be read: is it another version?");
    let times = decode(encoded.with_context(absent)?).with_context(garbled)?;
    // All histograms have this shape, so that they can be added and subtracted.
    let mut own = histogram();
    own.add(&times).ok().with_context(garbled)?;
    Ok(own)
}

/// `v1.tcp.10.0.0.1:5000>[fd00::1]:80`, with `vlan7` behind the protocol on a VLAN.
pub fn name(flow: &FlowReport) -> String {
    let vlan = flow.vlan.map(|id| format!(".vlan{id}")).unwrap_or_default();
    format!(
        "{}.{}{vlan}{}",
        flow.vif,
        flow.proto,
        ends(flow).map_or(String::new(), |e| format!(".{e}"))
    )
}

/// `10.0.0.1:5000>[fd00::1]:80`; `None` where there are no addresses.
pub fn ends(flow: &FlowReport) -> Option<String> {
    match flow.ends() {
        [None, None] => None,
        ends => Some(ends.map(Option::unwrap_or_default).join(">")),
    }
}

/// `v1.other`.
pub fn sum_name(sum: &FlowSumReport) -> String {
    format!("{}.{}", sum.vif, sum.kind)
}

/// The kernel lets interfaces have commas in their names.
fn tag(name: &str) -> String {
    name.replace([',', ' ', '\r', '\n'], "_")
}
