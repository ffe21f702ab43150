//! Queries for measurements.

/// The query for packets' times by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyQuery {
    /// Whole histograms, not only summaries.
    pub histograms: bool,
    /// Begin a new recording: the answer is exactly what is forgotten.
    pub reset: bool,
}

/// The query for flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowQuery {
    /// Whole histograms, not only summaries.
    pub histograms: bool,
    /// At most this many flows, the largest by bytes; `None`: all of them.
    pub top: Option<usize>,
    /// Only the flows of this source; `None`, as it must be with `reset`: all.
    pub vif: Option<String>,
    /// Forget all flows.
    pub reset: bool,
}

/// Keys of the queries.
pub const HISTOGRAMS: &str = "histograms";
pub const TOP: &str = "top";
pub const VIF: &str = "vif";

impl LatencyQuery {
    /// The path, with the query.
    pub fn route(self) -> String {
        FlowQuery { histograms: self.histograms, reset: self.reset, ..FlowQuery::default() }
            .of("latency")
    }
}

impl FlowQuery {
    pub fn route(&self) -> String {
        self.of("flows")
    }

    fn of(&self, what: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair(HISTOGRAMS, &self.histograms.to_string());
        query.extend_pairs(self.top.map(|top| (TOP, top.to_string())));
        query.extend_pairs(self.vif.iter().map(|vif| (VIF, vif)));
        format!("/v1/{what}{}?{}", if self.reset { "/reset" } else { "" }, query.finish())
    }
}
