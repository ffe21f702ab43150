//! The workers: one pinned thread per core that moves frames, run to completion.
//!
//! - [`state`]: what a worker has; [`turn`]: its loop of receive, queue, send
//! - [`receiving`]: from the rings into the queues
//! - [`gathering`]: the receive ring that ports share, and what waits for earlier frames at the bridge
//! - [`switching`]: what happens to one packet
//! - [`chores`]: work that is not done for every frame
//! - [`transfer`], [`remotes`]: what passes between workers
//! - [`heartbeat`]: whether the workers run; [`stalled`]: what a worker does after it stood still
//! - [`measure`], [`headers`], [`sent`]: flows, times and the end of every packet
//! - [`tap`]: watching single packets
//! - [`doors`]: links and sources with a rate, which pass between the gates and this worker
//! - [`lanes`]: the worker's ports, and the order in which they are served
//! - [`idle`]: when to look again and when to sleep; [`sleep`]: sleeping and waking
//! - [`regimes`]: the accounting of the worker's own time
//! - [`handle`]: the control side's end of a worker, and its requests; [`patience`]: how long it waits
//! - [`snapshot`]: the worker's report on itself
//!
//! Architecture invariant: nothing here locks, allocates or makes a system call on the way of a frame, other
//! than the kicks in `weir_port`. The control side reaches the worker in housekeeping only, through
//! [`handle`].

mod chores;
mod doors;
mod gathering;
pub mod handle;
mod headers;
pub mod heartbeat;
pub mod idle;
mod lanes;
mod measure;
mod patience;
mod receiving;
pub mod regimes;
mod remotes;
mod sent;
mod sleep;
pub mod snapshot;
mod stalled;
mod state;
mod switching;
mod tap;
mod transfer;
mod turn;

#[cfg(test)]
mod tests;

pub use doors::DoorLook;
pub use handle::{Asker, Change, FlowPage, Taken, WorkerHandle};
pub use heartbeat::Pulses;
pub use patience::{ANSWER_WITHIN, NoAnswer};
pub use snapshot::{PortSnapshot, VifQueue, WorkerSnapshot};
pub use state::{Worker, WorkerSettings};
pub use tap::{
    Event, Facts, Filter, MARKS, Points, Protocol, Purpose, Step, WatchSpec, Watched, Watcher,
};
pub use transfer::{Peers, peers};
