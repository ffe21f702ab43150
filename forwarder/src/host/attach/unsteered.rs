//! The ring in which the program reports frames that it does not steer, while a capture or trace runs.
//! Invariant: it has one reader.

use std::sync::{Arc, Mutex};

use aya::Ebpf;
use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use weir_abi::watch::Unsteered;
use weir_abi::{MAX_PORTS, maps};
use weir_core::PortId;

use super::{LoadError, MapsError, Steering, read_error, take, write_error};

pub(super) struct UnsteeredMaps {
    wanted: Array<MapData, u64>,
    missed: PerCpuArray<MapData, u64>,
    reader: Arc<Mutex<UnsteeredReader>>,
}

/// The ring's reader.
pub struct UnsteeredReader(RingBuf<MapData>);

debug_partly!(UnsteeredReader);

impl UnsteeredReader {
    /// Passes on every report since the last call.
    pub fn each(&mut self, mut heard: impl FnMut(Unsteered, &[u8])) {
        while let Some(entry) = self.0.next() {
            if let Some((head, bytes)) = Unsteered::read(&entry) {
                heard(head, bytes);
            }
        }
    }
}

impl UnsteeredMaps {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            wanted: take(ebpf, maps::WATCH)?,
            missed: take(ebpf, maps::WATCH_MISSED)?,
            reader: Arc::new(Mutex::new(UnsteeredReader(take(ebpf, maps::UNSTEERED)?))),
        })
    }
}

impl Steering {
    /// Selects the outcomes (see [`weir_abi::watch::bit`]) that the program reports of the chosen ports.
    pub fn set_outcomes(
        &mut self,
        outcomes: u64,
        chosen: impl Fn(PortId) -> bool,
    ) -> Result<(), MapsError> {
        (0..MAX_PORTS).try_for_each(|slot| {
            let outcomes = if chosen(PortId(slot as u16)) { outcomes } else { 0 };
            self.watch.wanted.set(slot, outcomes, 0).map_err(write_error(maps::WATCH))
        })
    }

    /// The reader of the reports.
    pub fn unsteered(&self) -> Arc<Mutex<UnsteeredReader>> {
        Arc::clone(&self.watch.reader)
    }

    /// Per port, the frames for which the ring had no room, in total.
    pub fn unsteered_missed(&self) -> Result<Vec<u64>, MapsError> {
        (0..MAX_PORTS)
            .map(|slot| {
                let missed = self.watch.missed.get(&slot, 0);
                let missed = missed.map_err(read_error(maps::WATCH_MISSED))?;
                Ok(missed.iter().sum())
            })
            .collect()
    }
}
