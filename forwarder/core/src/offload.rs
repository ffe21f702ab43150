//! Checksum completion and segmentation on packet bytes, where no device does it for us.
//!
//! Invariant: pure functions of the bytes given; they allocate nothing, never panic, and what
//! they write are the bytes the kernel's own segmentation would have written.
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
