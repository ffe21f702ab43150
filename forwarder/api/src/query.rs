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
        let reset = if self.reset { "/reset" } else { "" };
        format!("/v1/latency{reset}?{HISTOGRAMS}={}", self.histograms)
    }
}

impl FlowQuery {
    pub fn route(&self) -> String {
        let reset = if self.reset { "/reset" } else { "" };
        let mut route = format!("/v1/flows{reset}?{HISTOGRAMS}={}", self.histograms);
        if let Some(top) = self.top {
            route += &format!("&{TOP}={top}");
        }
        if let Some(vif) = &self.vif {
            route += &format!("&{VIF}={}", encoded(vif));
        }
        route
    }
}

/// Percent-encoded but for what needs none anywhere.
pub fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let one = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(one).collect()
}
