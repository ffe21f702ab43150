//! Dumps: what was measured, in formats that other tools read.
//!
//! - [`series`]: the histograms of a report, each under its tag
//! - [`since`]: what happened between two reports
//! - [`losses`]: the losses, as a report of their own
//! - [`hgrm`], [`hlog`], [`csv`]: the formats; JSON is the reports themselves
//! - [`files`]: writing them, and those that a weir leaves when it stops
//!
//! Invariant: pure functions from reports to text, but for [`files`]. Times are whole nanoseconds,
//! except in `.hgrm`, whose readers expect something for people: microseconds.

pub mod csv;
pub mod files;
pub mod hgrm;
pub mod hlog;
pub mod losses;
#[cfg(test)]
pub(crate) mod samples;
pub mod series;
pub mod since;
#[cfg(test)]
mod tests;

pub use losses::LossReport;
pub use series::Series;

/// What a report lacks for the format that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    #[error("weir's answer has no histogram of {0}: is it another version?")]
    NoHistogram(String),
    #[error("weir's histogram of {0} cannot be read: is it another version?")]
    Garbled(String),
}

/// Nanoseconds since 1970 by this machine's clock; 0 before that.
pub fn unix_now_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
