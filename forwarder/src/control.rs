//! The cold side: everything that is done once, or when somebody asks.
//!
//! - [`privileges`], [`links`], [`netns`]: what this host is and has
//! - [`pair`]: weir's own pair of devices; [`pins`]: the gates' links; [`mounts`]: where both outlive weir
//! - [`leftovers`]: what a dead weir left, and how it is removed
//! - [`settings`], [`state`]: what is changed on it, and how it is put back
//! - [`bridge`]: what the kernel's bridge knows, and what of it the gate may decide
//! - [`attach`], [`btf`]: the XDP program
//! - [`forwarder`]: the program, the worker, and the ports between them
//! - [`books`]: the ledger, checked; [`measure`]: latency and flows, put together
//! - [`run`]: a forwarder's life
//! - [`api`]: the control socket; [`dump`]: reports as other tools read them;
//!   [`metrics`]: the same for Prometheus
//! - [`watch`]: captures and traces

pub mod api;
pub mod attach;
pub mod books;
pub mod bridge;
pub mod btf;
pub mod dump;
pub mod forwarder;
pub mod leftovers;
pub mod links;
pub mod measure;
pub mod metrics;
mod mounts;
pub(crate) mod netlink;
pub mod netns;
pub mod pair;
pub mod pins;
pub mod privileges;
pub mod run;
pub mod settings;
pub mod state;
pub mod watch;
