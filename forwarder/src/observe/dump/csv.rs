//! `.csv` (RFC 4180): a header, then a row for each vif and stage, flow, or port and reason of
//! loss. Invariant: columns keep their names and their order; new ones are added on the right.

use serde::Serialize;
use weir_api::{FlowNumbers, FlowReport, FlowsReport, LatencyReport, LossReport};

const LATENCY: &str = "since_unix_ns,until_unix_ns,vif,stage,\
    count,min_ns,mean_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns\n";
const FLOWS: &str = "since_unix_ns,until_unix_ns,vif,kind,flows,\
    proto,src,src_port,dst,dst_port,vlan,age_ns,idle_ns,\
    frames,bytes,delivered,delivered_bytes,lost,losses,tcp_flags,jitter_ns,\
    count,min_ns,mean_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,express\n";
const LOSSES: &str = "since_unix_ns,until_unix_ns,vif,role,received,reason,frames\n";
const FLOW_LOSSES: &str = "since_unix_ns,until_unix_ns,vif,kind,\
    proto,src,src_port,dst,dst_port,vlan,received,reason,frames\n";

/// One kind of dump as rows. The header is separate, since a file has it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csv {
    pub header: &'static str,
    pub rows: String,
}

impl Csv {
    fn of(
        header: &'static str,
        write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>,
    ) -> Self {
        let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        // Writing text and numbers to memory cannot fail.
        let _ = write(&mut rows);
        let rows = rows.into_inner().unwrap_or_default();
        Self { header, rows: String::from_utf8_lossy(&rows).into_owned() }
    }

    pub fn whole(&self) -> String {
        format!("{}{}", self.header, self.rows)
    }
}

pub fn latency(report: &LatencyReport) -> Csv {
    Csv::of(LATENCY, |rows| {
        let (since, until) = (report.since_unix_ns, report.until_unix_ns);
        let stages = report.vifs.iter().flat_map(|vif| vif.stages.iter().map(move |at| (vif, at)));
        stages.into_iter().try_for_each(|(vif, at)| {
            rows.serialize((since, until, &vif.name, &at.stage, at.summary))
        })
    })
}

/// `since`: the start of the interval; without it, a flow counts from its first frame.
pub fn flows(report: &FlowsReport, since: Option<u64>) -> Csv {
    let until = report.until_unix_ns;
    Csv::of(FLOWS, |rows| {
        for flow in &report.flows {
            let times = (flow.age_ns, flow.idle_ns);
            // No flow table sees frames of the express lane.
            let cells = (key(flow), times, numbers(&flow.counts), 0);
            rows.serialize((began(flow, since, until), until, &flow.vif, "flow", 1, cells))?;
        }
        for sum in &report.sums {
            let cells = ([""; 8], numbers(&sum.counts), sum.express);
            rows.serialize((since, until, &sum.vif, sum.kind.to_string(), sum.flows, cells))?;
        }
        Ok(())
    })
}

pub fn losses(report: &LossReport) -> Csv {
    Csv::of(LOSSES, |rows| {
        for port in &report.ports {
            let (name, role) = (&port.name, port.role.to_string());
            let cells = (report.since_unix_ns, report.until_unix_ns, name, role, port.received);
            port.losses.iter().try_for_each(|loss| rows.serialize((&cells, loss)))?;
        }
        Ok(())
    })
}

/// The losses of flows, a row for each reason.
pub fn flow_losses(report: &FlowsReport, since: Option<u64>) -> Csv {
    let until = report.until_unix_ns;
    Csv::of(FLOW_LOSSES, |rows| {
        for flow in &report.flows {
            let cells = (began(flow, since, until), until, &flow.vif, "flow", key(flow));
            let frames = flow.counts.frames;
            let mut losses = flow.counts.losses.iter();
            losses.try_for_each(|loss| rows.serialize((&cells, frames, loss)))?;
        }
        for sum in &report.sums {
            let cells = (since, until, &sum.vif, sum.kind.to_string(), [""; 6]);
            let frames = sum.counts.frames;
            let mut losses = sum.counts.losses.iter();
            losses.try_for_each(|loss| rows.serialize((&cells, frames, loss)))?;
        }
        Ok(())
    })
}

fn began(flow: &FlowReport, since: Option<u64>, until: u64) -> Option<u64> {
    since.or_else(|| until.checked_sub(flow.age_ns))
}

fn key(flow: &FlowReport) -> impl Serialize + use<> {
    let FlowReport { proto, src, src_port, dst, dst_port, vlan, .. } = flow;
    (proto.clone(), src.clone(), *src_port, dst.clone(), *dst_port, *vlan)
}

fn numbers(counts: &FlowNumbers) -> impl Serialize + use<> {
    let losses: Vec<String> =
        counts.losses.iter().map(|(reason, frames)| format!("{reason}={frames}")).collect();
    (
        [counts.frames, counts.bytes, counts.delivered, counts.delivered_bytes, counts.lost()],
        (losses.join(";"), counts.tcp_flags.join("|"), counts.jitter_ns),
        counts.residence,
    )
}
