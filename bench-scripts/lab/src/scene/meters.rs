//! What is read at the ends of windows. Invariant: reading changes nothing that is measured.
//!
//! - [`rates`]: what came from whom; [`cpu`]: processor time
//! - [`events`]: system calls, switches, wake-ups and hardware counters of the forwarder
//! - [`releases`]: why weir's containers were released; [`resent`]: what TCP sent again

pub(crate) mod cpu;
pub(crate) mod events;
pub(crate) mod rates;
pub(crate) mod releases;
pub(crate) mod resent;
