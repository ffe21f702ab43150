//! Dumps: measurements in formats that other tools read.
//!
//! - [`series`]: the histograms of a report, each under its tag
//! - [`since`]: the difference of two reports
//! - [`hgrm`], [`hlog`], [`csv`]: the formats; JSON is the reports themselves
//! - [`files`]: writing them, and those that a weir leaves when it stops
//!
//! Invariant: pure functions from reports to text, but for [`files`]. Times are whole nanoseconds,
//! except in `.hgrm`, whose readers expect microseconds.

pub mod csv;
pub mod files;
pub mod hgrm;
pub mod hlog;
#[cfg(test)]
pub(crate) mod samples;
pub mod series;
pub mod since;
#[cfg(test)]
mod tests;

pub use series::Series;
