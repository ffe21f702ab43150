//! The parts of `weir probe` that need weir itself, beside the package `weir_probe`.
//!
//! - [`guard`]: keeps probes from harming a network by accident
//! - [`floor`]: a probe over a bare veth, which measures the probe's own share of its results

pub mod floor;
pub mod guard;
