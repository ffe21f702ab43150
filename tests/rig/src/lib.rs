//! Senders and counters for tests and experiments. weir itself needs none of them.
//!
//! - [`programs`]: programs in the kernel that send, divert, receive or tag
//! - [`events`]: counts at the kernel's trace points
//! - [`links`]: detaching links of another process
//! - [`tap`]: a virtual machine's end of a tap
//! - [`bare`]: a forwarding loop without any policy, a peer of the experiments
#![allow(unsafe_code)]

pub mod bare;
pub mod events;
pub mod links;
pub mod programs;
pub mod tap;

pub use programs::{FRONT, SocketMap};
pub use weir_probe::program::{Action, Attached, Counter, Hook, Program};
