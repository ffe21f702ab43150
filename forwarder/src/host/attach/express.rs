//! Reads the counts of frames that the gate handed over itself, without the forwarder's lock.
//! Invariant: read only; the forwarder clears a slot's counters when the slot is free.

use std::fmt;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use aya::maps::{Map, MapData, PerCpuArray};
use weir_abi::{Counter, maps};

use super::{CounterWords, LoadError, MapsError, Steering, over_cpus};

/// The counters, through a descriptor of their own.
#[derive(Clone)]
pub struct ExpressCounters(Arc<PerCpuArray<MapData, CounterWords>>);

impl fmt::Debug for ExpressCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpressCounters").finish_non_exhaustive()
    }
}

impl ExpressCounters {
    pub(super) fn of(counters: &Map) -> Result<Self, LoadError> {
        let name = maps::COUNTERS;
        let Map::PerCpuArray(data) = counters else { return Err(LoadError::Missing(name)) };
        let fd = data.fd().as_fd().try_clone_to_owned();
        let fd = fd.map_err(|error| LoadError::Share { name, error })?;
        let abi = |error| LoadError::Abi { name, error };
        let map = MapData::from_fd(fd).and_then(Map::from_map_data).map_err(abi)?;
        Ok(Self(Arc::new(PerCpuArray::try_from(map).map_err(abi)?)))
    }

    /// Frames and bytes that the port has sent by the express lane since its slot was cleared.
    pub fn by(&self, slot: u16) -> Result<[u64; 2], MapsError> {
        let counters = over_cpus(&self.0, slot)?;
        Ok([counters.frames(Counter::Express), counters.bytes(Counter::Express)])
    }
}

impl Steering {
    /// See [`ExpressCounters`].
    pub fn express(&self) -> ExpressCounters {
        self.express.clone()
    }
}
