//! The ring in which the program reports frames that it does not steer, while a capture or trace runs.
//! Invariant: it has one reader.

use aya::maps::{MapData, RingBuf};
use weir_abi::watch::Unsteered;
use weir_abi::{MAX_PORTS, maps};
use weir_core::PortId;

use super::{MapsError, Steering, read_error, write_error};

/// The ring's reader.
pub struct UnsteeredReader(pub(super) RingBuf<MapData>);

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

impl Steering {
    /// Selects the outcomes (see [`weir_abi::watch::bit`]) that the program reports of the chosen ports.
    pub fn set_outcomes(
        &mut self,
        outcomes: u64,
        chosen: impl Fn(PortId) -> bool,
    ) -> Result<(), MapsError> {
        (0..MAX_PORTS).try_for_each(|slot| {
            let outcomes = if chosen(PortId(slot as u16)) { outcomes } else { 0 };
            self.watch_wanted.set(slot, outcomes, 0).map_err(write_error(maps::WATCH))
        })
    }

    /// Per port, the frames for which the ring had no room, in total.
    pub fn unsteered_missed(&self) -> Result<Vec<u64>, MapsError> {
        (0..MAX_PORTS)
            .map(|slot| {
                let missed = self.watch_missed.get(&slot, 0);
                let missed = missed.map_err(read_error(maps::WATCH_MISSED))?;
                Ok(missed.iter().sum())
            })
            .collect()
    }
}
