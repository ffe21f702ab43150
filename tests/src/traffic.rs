//! Traffic between guests: UDP that counts itself, ping, TCP by iperf3, and raw frames.
//!
//! Invariant: a source reports what the kernel accepted, a sink what arrived, each exactly.

pub mod raw;
pub mod stream;
pub mod tools;
pub mod udp;

pub use stream::{Chunks, Stream};
pub use tools::{Bulk, BulkSpec, Goodput, TcpResult, echo, ping, tcp};
pub use udp::{Rate, Sending, Sink, Source, unique};
