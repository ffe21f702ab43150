//! The programs' counters by port, which are also read without the forwarder's lock: how many frames the
//! gate handed over itself. Invariant: only the forwarder writes, when it clears those of a free slot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aya::maps::{MapData, PerCpuArray};
use weir_abi::{Counter, PortCounters, maps};

use super::{CounterWords, MapsError, read_error};

#[derive(Clone)]
pub struct ExpressCounters(pub(super) Arc<Mutex<PerCpuArray<MapData, CounterWords>>>);

debug_partly!(ExpressCounters);

impl ExpressCounters {
    pub(super) fn map(&self) -> MutexGuard<'_, PerCpuArray<MapData, CounterWords>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A port's counters, summed over the CPUs.
    pub(super) fn all(&self, slot: u16) -> Result<PortCounters, MapsError> {
        let values = self.map().get(&u32::from(slot), 0).map_err(read_error(maps::COUNTERS))?;
        let mut sum = PortCounters::default();
        for words in values.iter() {
            sum.merge(&PortCounters::from_words(*words));
        }
        Ok(sum)
    }

    /// Frames and bytes that the port has sent by the express lane since its slot was cleared.
    pub fn by(&self, slot: u16) -> Result<[u64; 2], MapsError> {
        let counters = self.all(slot)?;
        Ok([counters.frames(Counter::Express), counters.bytes(Counter::Express)])
    }
}
