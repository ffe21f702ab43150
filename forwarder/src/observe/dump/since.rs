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
        let mut changed = Counted::read(&name, &flow.counts, &flow.histogram)?;
        if let Some(same) = same {
            changed.take(&Counted::read(&name, &same.counts, &same.histogram)?);
        }
        if !changed.is_nothing() {
            let (counts, histogram) = changed.told();
            flows.push(FlowReport { counts, histogram, ..flow.clone() });
        }
    }
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.counts.bytes));
    let mut sums = Vec::new();
    for sum in &after.sums {
        let name = sum_name(sum);
        let mut changed = Counted::read(&name, &sum.counts, &sum.histogram)?;
        let same = |earlier: &&FlowSumReport| earlier.vif == sum.vif && earlier.kind == sum.kind;
        let listed = before.sums.iter().find(same);
        let same = listed.filter(|earlier| continues(&earlier.counts, &sum.counts));
        // All flows were forgotten meanwhile: then the sum does not include the vanished ones.
        let forgotten = listed.is_some() && same.is_none();
        if let Some(same) = same {
            changed.take(&Counted::read(&name, &same.counts, &same.histogram)?);
        }
        if sum.kind == SumKind::Ended && !forgotten {
            // A flow that ended brought along its earlier counts.
            for (name, flow) in earlier.iter().filter(|(_, flow)| flow.vif == sum.vif) {
                changed.take(&Counted::read(name, &flow.counts, &flow.histogram)?);
            }
        }
        if !changed.is_nothing() {
            let more = |all: u64| all.saturating_sub(same.and_then(|s| s.flows).unwrap_or(0));
            let express = sum.express.saturating_sub(same.map_or(0, |same| same.express));
            let (counts, histogram) = changed.told();
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

/// Counts and, where the report has it, their histogram.
struct Counted {
    counts: FlowNumbers,
    times: Option<Histogram<u64>>,
}

impl Counted {
    fn read(name: &str, counts: &FlowNumbers, times: &Option<String>) -> anyhow::Result<Self> {
        let times = times.as_ref().map(|times| whole(name, Some(times))).transpose()?;
        Ok(Self { counts: counts.clone(), times })
    }

    fn take(&mut self, before: &Self) {
        let (counts, before_counts) = (&mut self.counts, &before.counts);
        for (now, before) in [
            (&mut counts.frames, before_counts.frames),
            (&mut counts.bytes, before_counts.bytes),
            (&mut counts.delivered, before_counts.delivered),
            (&mut counts.delivered_bytes, before_counts.delivered_bytes),
        ] {
            *now = now.saturating_sub(before);
        }
        counts.losses = change(&counts.losses, &before_counts.losses);
        if let (Some(times), Some(before)) = (&mut self.times, &before.times) {
            take(times, before);
        }
    }

    fn is_nothing(&self) -> bool {
        let counts = &self.counts;
        counts.frames == 0 && counts.delivered == 0 && counts.losses.is_empty()
    }

    fn told(self) -> (FlowNumbers, Option<String>) {
        let residence = self.times.as_ref().map(Summary::of);
        // Without histograms the interval's times are unknown: none is better than wrong ones.
        let residence = residence.unwrap_or_default();
        (FlowNumbers { residence, ..self.counts }, self.times.as_ref().map(encode))
    }
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
