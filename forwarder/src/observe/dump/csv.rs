//! `.csv` (RFC 4180): a header, then a row for each vif and stage, flow, or port and reason of
//! loss. Invariant: columns keep their names and their order; new ones are added on the right.

use weir_api::{FlowNumbers, FlowReport, FlowsReport, LatencyReport, LossReport, Summary};

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
    fn of<I: IntoIterator<Item = Vec<String>>>(header: &'static str, rows: I) -> Self {
        Self { header, rows: rows.into_iter().map(|cells| row(&cells)).collect() }
    }

    pub fn whole(&self) -> String {
        format!("{}{}", self.header, self.rows)
    }
}

pub fn latency(report: &LatencyReport) -> Csv {
    let span = [report.since_unix_ns, report.until_unix_ns].map(|ns| ns.to_string());
    let stages = report.vifs.iter().flat_map(|vif| vif.stages.iter().map(move |at| (vif, at)));
    Csv::of(
        LATENCY,
        stages.map(|(vif, at)| {
            let mut cells = span.to_vec();
            cells.extend([vif.name.clone(), at.stage.clone()]);
            cells.extend(summary(&at.summary));
            cells
        }),
    )
}

/// `since`: the start of the interval; without it, a flow counts from its first frame.
pub fn flows(report: &FlowsReport, since: Option<u64>) -> Csv {
    let until = report.until_unix_ns;
    let flows = report.flows.iter().map(|flow| {
        let mut cells = span(since.or_else(|| until.checked_sub(flow.age_ns)), until);
        cells.extend([flow.vif.clone(), "flow".to_owned(), "1".to_owned()]);
        cells.extend(key(flow));
        cells.extend([flow.age_ns, flow.idle_ns].map(|ns| ns.to_string()));
        cells.extend(numbers(&flow.counts));
        // No flow table sees frames of the express lane.
        cells.push("0".to_owned());
        cells
    });
    let sums = report.sums.iter().map(|sum| {
        let mut cells = span(since, until);
        cells.extend([sum.vif.clone(), sum.kind.to_string(), number(sum.flows)]);
        cells.extend(std::iter::repeat_n(String::new(), 8));
        cells.extend(numbers(&sum.counts));
        cells.push(sum.express.to_string());
        cells
    });
    Csv::of(FLOWS, flows.chain(sums))
}

pub fn losses(report: &LossReport) -> Csv {
    let ports = report.ports.iter().flat_map(|port| port.losses.iter().map(move |at| (port, at)));
    Csv::of(
        LOSSES,
        ports.map(|(port, (reason, frames))| {
            let mut cells = span(Some(report.since_unix_ns), report.until_unix_ns);
            cells.extend([port.name.clone(), port.role.to_string(), port.received.to_string()]);
            cells.extend([reason.clone(), frames.to_string()]);
            cells
        }),
    )
}

/// The losses of flows, a row for each reason.
pub fn flow_losses(report: &FlowsReport, since: Option<u64>) -> Csv {
    let until = report.until_unix_ns;
    let rows = |mut cells: Vec<String>, counts: &FlowNumbers| -> Vec<Vec<String>> {
        cells.push(counts.frames.to_string());
        let losses = counts.losses.iter();
        let row = |(reason, frames): (&String, &u64)| {
            [cells.as_slice(), &[reason.clone(), frames.to_string()]].concat()
        };
        losses.map(row).collect()
    };
    let flows = report.flows.iter().flat_map(|flow| {
        let mut cells = span(since.or_else(|| until.checked_sub(flow.age_ns)), until);
        cells.extend([flow.vif.clone(), "flow".to_owned()]);
        cells.extend(key(flow));
        rows(cells, &flow.counts)
    });
    let sums = report.sums.iter().flat_map(|sum| {
        let mut cells = span(since, until);
        cells.extend([sum.vif.clone(), sum.kind.to_string()]);
        cells.extend(std::iter::repeat_n(String::new(), 6));
        rows(cells, &sum.counts)
    });
    Csv::of(FLOW_LOSSES, flows.chain(sums))
}

fn span(since: Option<u64>, until: u64) -> Vec<String> {
    vec![number(since), until.to_string()]
}

fn key(flow: &FlowReport) -> [String; 6] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        flow.proto.clone(),
        text(&flow.src),
        number(flow.src_port),
        text(&flow.dst),
        number(flow.dst_port),
        number(flow.vlan),
    ]
}

fn numbers(counts: &FlowNumbers) -> Vec<String> {
    let losses: Vec<String> =
        counts.losses.iter().map(|(reason, frames)| format!("{reason}={frames}")).collect();
    let mut cells: Vec<String> =
        [counts.frames, counts.bytes, counts.delivered, counts.delivered_bytes, counts.lost()]
            .map(|number| number.to_string())
            .into();
    cells.extend([losses.join(";"), counts.tcp_flags.join("|"), counts.jitter_ns.to_string()]);
    cells.extend(summary(&counts.residence));
    cells
}

fn summary(times: &Summary) -> [String; 8] {
    [
        times.count,
        times.min_ns,
        times.mean_ns,
        times.p50_ns,
        times.p90_ns,
        times.p99_ns,
        times.p999_ns,
        times.max_ns,
    ]
    .map(|number| number.to_string())
}

fn number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    cells.join(",") + "\n"
}

/// Quotes a cell that contains a comma or a quote.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
