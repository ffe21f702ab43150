//! The papers' experiments as data: read, run against weir and its peers, judged, drawn.
//!
//! - [`spec`]: what an experiment file says; [`cell`]: the single measurements it comes to
//! - [`stage`]: a peer on a bed; [`scene`]: what happens there, and what was measured of it
//! - [`run`]: all cells in a fair order, resumed where they were left; [`stats`] of repetitions
//! - [`verdict`]: what must hold; [`report`]: one page and a table
//!
//! Invariant: no experiment has code of its own; what one needs, any file may ask for.

pub mod cell;
pub mod report;
pub mod run;
pub mod scene;
pub mod spec;
pub mod stage;
pub mod stats;
pub mod verdict;
