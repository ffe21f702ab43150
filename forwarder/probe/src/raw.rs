//! Sends frames past the kernel's stack. Invariant: all frames of a run are the same, so that only
//! their number matters; the sink takes exactly these frames and lets all others pass.
//!
//! - [`frame`]: building frames; [`source`]: sending them; [`drain`]: counting them

pub mod drain;
pub mod frame;
pub mod source;
