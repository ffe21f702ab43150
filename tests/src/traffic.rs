//! Traffic between guests: UDP that counts itself, ping, TCP by iperf3, and raw frames.
//!
//! Invariant: a source reports what the kernel accepted, a sink what arrived, each exactly.

pub mod iperf;
pub mod ping;
pub mod raw;
pub mod stream;
pub mod udp;

pub use iperf::{Bulk, BulkSpec, Goodput, TcpResult, tcp};
pub use ping::ping;
pub use stream::{Chunks, Stream};
pub use udp::{Rate, Sending, Sink, Source, unique};
