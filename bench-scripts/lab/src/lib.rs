//! The papers' experiments as data: read, run against weir and its peers, judged, drawn.
//!
//! - [`spec`]: experiment files; [`cell`]: their single measurements
//! - [`stage`]: a peer on a bed; [`scene`]: the events there, and their measurement
//! - [`run`]: all cells in a fair order, resumed after an interruption; [`stats`] of repetitions
//! - [`verdict`]: the checks; [`report`]: one page and a table
//!
//! Invariant: no experiment has code of its own; any file may use every feature.

pub mod cell;
pub mod report;
pub mod run;
pub mod scene;
pub mod spec;
pub mod stage;
pub mod stats;
pub mod verdict;
