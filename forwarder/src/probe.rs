//! What `weir probe` needs of weir beside the package `weir_probe`.
//!
//! - [`files`]: `.hgrm` and `.hlog`
//! - [`guard`]: what would harm a network by accident
//! - [`floor`]: a probe over a bare veth, to know its own share of what it measures

pub mod files;
pub mod floor;
pub mod guard;
