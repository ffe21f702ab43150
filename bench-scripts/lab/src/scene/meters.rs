//! Readings at the ends of windows. Invariant: reading does not disturb the measurement.
//!
//! - [`rates`]: arrivals by sender; [`cpu`]: processor time
//! - [`events`]: system calls, switches, wake-ups and hardware counters of the forwarder
//! - [`releases`]: releases of weir's containers by reason; [`resent`]: TCP's retransmissions

pub(crate) mod cpu;
pub(crate) mod events;
pub(crate) mod rates;
pub(crate) mod releases;
pub(crate) mod resent;
