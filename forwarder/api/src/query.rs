//! What is asked for of what was measured.

/// Where packets' time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyQuery {
    /// Whole histograms, not only in short.
    pub histograms: bool,
    /// Recording begins again: what is given is exactly what is gone.
    pub reset: bool,
}

/// Which flows, and how much of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowQuery {
    /// Whole histograms, not only in short.
    pub histograms: bool,
    /// At most this many flows, the largest by bytes; `None`: all of them.
    pub top: Option<usize>,
    /// Only those of this source; `None`, as it must be with `reset`: all.
    pub vif: Option<String>,
    /// Forget all flows.
    pub reset: bool,
}

/// Keys of the queries.
pub const HISTOGRAMS: &str = "histograms";
pub const TOP: &str = "top";
pub const VIF: &str = "vif";

impl LatencyQuery {
    /// The path, with what stands behind the question mark.
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
