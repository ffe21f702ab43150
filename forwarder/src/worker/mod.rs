//! The hot side: one pinned thread per core that moves frames, run to completion.
//!
//! - [`turn`]: the loop itself; receive, switch, queue, send
//! - [`switching`]: what happens to one packet
//! - [`chores`]: what is not done for every frame
//! - [`transfer`], [`remotes`]: what passes between workers
//! - [`lanes`]: the worker's ports, and the order in which they are served
//! - [`idle`]: when to look again and when to sleep
//! - [`regimes`]: where the worker's own time goes
//! - [`command`]: what the control side may ask, answered between turns
//! - [`handle`]: the control side's end of it
//! - [`snapshot`], [`look`]: what a worker says of itself
//!
//! Architecture invariant: nothing here locks, allocates or makes a system call on the way of a
//! frame, other than the kicks in `weir_port`. The worker talks to other threads in housekeeping
//! only, through [`command`].

mod chores;
pub mod command;
pub mod handle;
pub mod idle;
mod lanes;
mod look;
pub mod regimes;
mod remotes;
pub mod snapshot;
mod switching;
mod transfer;
mod turn;

#[cfg(test)]
mod tests;

pub use command::{Change, Command, FdbNews, NewPort, Taken};
pub use handle::{WorkerGone, WorkerHandle, WorkerSettings};
pub use idle::IdlePolicy;
pub use snapshot::{ContainerStats, PortSnapshot, VifQueue, WorkerSnapshot};
pub use transfer::{Peers, peers};
pub use turn::Worker;
