//! Checksum completion and segmentation on packet bytes, for devices that do not do it themselves.
//!
//! Invariant: these are pure functions of the given bytes. They allocate nothing and never panic, and they
//! write the bytes that the kernel's own segmentation would have written.
//!
//! | module | for |
//! |---|---|
//! | [`headers`] | where the L3 and L4 headers are, checked once: [`Layout`] |
//! | [`checksum`] | partial checksums: completing, verifying, making |
//! | [`cut`] | a superframe into finished segments, for a device without segmentation, or into smaller superframes, for a link that others wait for |
//! | [`vnet`] | the virtio-net header that hands a frame's offloads to the kernel |

pub mod checksum;
pub mod cut;
pub mod headers;
pub mod vnet;

#[cfg(test)]
mod tests;

pub use checksum::Sum;
pub use cut::{Cut, GsoKind};
pub use headers::{Layout, Proto};
pub use vnet::{VnetHeader, fit_mtu};
