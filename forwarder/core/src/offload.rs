//! Checksum completion and segmentation on packet bytes, for devices that do not do it themselves.
//!
//! Invariant: these are pure functions of the given bytes. They allocate nothing and never panic, and they
//! write the bytes that the kernel's own segmentation would have written.
//!
//! | module | for |
//! |---|---|
//! | [`headers`] | where the L3 and L4 headers are, checked once: [`Layout`] |
//! | [`checksum`] | partial checksums: completing, verifying, making |
//! | [`segment`] | a superframe into finished segments, for a device without segmentation |
//! | [`pieces`] | a superframe into smaller superframes, for a link that others wait for |
//! | [`vnet`] | the virtio-net header that hands a frame's offloads to the kernel |
//! | [`source`] | reading a range out of a chain of frames |

pub mod checksum;
mod cut;
pub mod headers;
pub mod pieces;
pub mod segment;
pub mod source;
pub mod vnet;

#[cfg(test)]
mod tests;

pub use checksum::{Fix, Sum};
pub use cut::{CutError, GsoKind, MAX_HEADER, Refuse};
pub use headers::{HeaderError, Layout, Proto};
pub use pieces::{Pieces, UDP_MAX_SEGMENTS};
pub use segment::Segmenter;
pub use source::{Chunks, FrameBytes};
pub use vnet::{VnetHeader, fit_mtu};
