//! The difference of two reports. Invariant: nothing is lost or counted twice: the intervals of a
//! recording add up to the recording. The difference does not change weir itself, so any number of
//! readers can take intervals of their own.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use super::series::{add, name, sum_name, whole};
use weir_api::losses::change;
use weir_api::{
    FlowNumbers, FlowReport, FlowSumReport, FlowsReport, LatencyReport, SumKind, Summary, Times,
    VifTimes, histogram::encode,
};

/// The times recorded since `before`; all of them if recording was reset meanwhile.
pub fn latency(before: &LatencyReport, after: &LatencyReport) -> anyhow::Result<LatencyReport> {
    if after.since_unix_ns != before.since_unix_ns || after.uptime_ns < before.uptime_ns {
        return Ok(after.clone());
    }
    let vif = |vif: &VifTimes| {
        let stages = vif.stages.iter().map(|at| {
            let earlier = before.vifs.iter().find(|earlier| earlier.name == vif.name);
            let earlier = earlier.and_then(|vif| vif.stages.iter().find(|e| e.stage == at.stage));
            let name = format!("{}.{}", vif.name, at.stage);
            let mut times = whole(&name, at.histogram.as_ref())?;
            if let Some(earlier) = earlier {
                take(&mut times, &whole(&name, earlier.histogram.as_ref())?);
            }
            Ok(Times::of(&at.stage, &times))
        });
        Ok(VifTimes { name: vif.name.clone(), stages: stages.collect::<anyhow::Result<_>>()? })
    };
    Ok(LatencyReport {
        since_unix_ns: before.until_unix_ns,
        vifs: after.vifs.iter().map(vif).collect::<anyhow::Result<_>>()?,
        ..after.clone()
    })
}

/// The counts of flows since `before`; flows without traffic are left out.
pub fn flows(before: &FlowsReport, after: &FlowsReport) -> anyhow::Result<FlowsReport> {
    if after.uptime_ns < before.uptime_ns {
        return Ok(after.clone());
    }
    let mut earlier: HashMap<String, &FlowReport> =
        before.flows.iter().map(|flow| (name(flow), flow)).collect();
    let mut flows = Vec::new();
    for flow in &after.flows {
        let name = name(flow);
        // A flow that ended and began again counts from 0, and its earlier counts are in `ended`.
        let same = |earlier: &&FlowReport| continues(&earlier.counts, &flow.counts);
        let same = earlier.get(&name).copied().filter(same).inspect(|_| {
            earlier.remove(&name);
        });
        let before = same.map(|same| (name.as_str(), &same.counts, &same.histogram));
        let changed = changed((&name, &flow.counts, &flow.histogram), before)?;
        if let Some((counts, histogram)) = changed {
            flows.push(FlowReport { counts, histogram, ..flow.clone() });
        }
    }
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.counts.bytes));
    let mut sums = Vec::new();
    for sum in &after.sums {
        let name = sum_name(sum);
        let same = |earlier: &&FlowSumReport| earlier.vif == sum.vif && earlier.kind == sum.kind;
        let listed = before.sums.iter().find(same);
        let same = listed.filter(|earlier| continues(&earlier.counts, &sum.counts));
        // All flows were forgotten meanwhile: then the sum does not include the vanished ones.
        let forgotten = listed.is_some() && same.is_none();
        let before = same.map(|same| (name.as_str(), &same.counts, &same.histogram));
        // A flow that ended brought along its earlier counts.
        let brings = sum.kind == SumKind::Ended && !forgotten;
        let ended = earlier.iter().filter(|(_, flow)| brings && flow.vif == sum.vif);
        let ended = ended.map(|(name, flow)| (name.as_str(), &flow.counts, &flow.histogram));
        let before = before.into_iter().chain(ended);
        let changed = changed((&name, &sum.counts, &sum.histogram), before)?;
        if let Some((counts, histogram)) = changed {
            let more = |all: u64| all.saturating_sub(same.and_then(|s| s.flows).unwrap_or(0));
            let express = sum.express.saturating_sub(same.map_or(0, |same| same.express));
            sums.push(FlowSumReport {
                counts,
                histogram,
                flows: sum.flows.map(more),
                express,
                ..sum.clone()
            });
        }
    }
    Ok(FlowsReport { flows, sums, ..after.clone() })
}

fn continues(before: &FlowNumbers, after: &FlowNumbers) -> bool {
    before.frames <= after.frames && before.delivered <= after.delivered
}

/// The counts of a flow or a sum and, where the report has it, their histogram; first the name that an
/// error gives.
type Counted<'a> = (&'a str, &'a FlowNumbers, &'a Option<String>);

/// What was counted beyond `before`, if anything was.
fn changed<'a>(
    (name, counts, histogram): Counted<'a>,
    before: impl IntoIterator<Item = Counted<'a>>,
) -> anyhow::Result<Option<(FlowNumbers, Option<String>)>> {
    let read = |name: &str, histogram: &Option<String>| {
        histogram.as_ref().map(|times| whole(name, Some(times))).transpose()
    };
    let (mut counts, mut times) = (counts.clone(), read(name, histogram)?);
    for (name, before, histogram) in before {
        for (now, before) in [
            (&mut counts.frames, before.frames),
            (&mut counts.bytes, before.bytes),
            (&mut counts.delivered, before.delivered),
            (&mut counts.delivered_bytes, before.delivered_bytes),
        ] {
            *now = now.saturating_sub(before);
        }
        counts.losses = change(&counts.losses, &before.losses);
        if let (Some(times), Some(before)) = (&mut times, &read(name, histogram)?) {
            take(times, before);
        }
    }
    if counts.frames == 0 && counts.delivered == 0 && counts.losses.is_empty() {
        return Ok(None);
    }
    // Without histograms the interval's times are unknown: none is better than wrong ones.
    counts.residence = times.as_ref().map(Summary::of).unwrap_or_default();
    Ok(Some((counts, times.as_ref().map(encode))))
}

/// Subtracts `before` from `times`, unless `times` does not contain it: then the two belong to
/// different recordings.
pub fn take(times: &mut Histogram<u64>, before: &Histogram<u64>) {
    let mut rest = times.clone();
    if rest.subtract(before).is_ok() {
        // Only the counts are subtracted; the remaining maximum may be smaller than the recorded one.
        times.reset();
        add(times, &rest);
    }
}
