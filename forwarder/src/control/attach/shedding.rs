//! What the program sheds by: who is behind which slot, and the bits of who may not send to whom.
//! Invariant: the bits are the workers', who reach them through [`Steering::shed_fd`]; here they
//! are only taken away, from a slot that belongs to no port.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use aya::maps::{Array, Map, MapData};
use weir_abi::{FdbKey, MAX_PORTS, maps, shed};
use weir_core::Mac;

use super::{LoadError, MapsError, Steering, absent_is_fine};

/// The map of bits, and a descriptor of it to map into memory.
pub(super) fn shared(map: Map) -> Result<(Array<MapData, shed::Row>, OwnedFd), LoadError> {
    let name = maps::SHED;
    let Map::Array(data) = map else {
        return Err(LoadError::Missing(name));
    };
    let fd =
        data.fd().as_fd().try_clone_to_owned().map_err(|error| LoadError::Share { name, error })?;
    let bits = Array::try_from(Map::Array(data)).map_err(|error| LoadError::Abi { name, error })?;
    Ok((bits, fd))
}

impl Steering {
    /// Tells where an address is now. An error where the table is full: what is for that address is
    /// then never shed, only refused by the worker.
    pub fn fdb_set(&mut self, mac: Mac, vlan: u16, slot: u16) -> Result<(), MapsError> {
        self.fdb
            .insert(FdbKey::new(mac.octets(), vlan).to_bytes(), u32::from(slot), 0)
            .map_err(|error| MapsError::Write { name: maps::FDB, error })
    }

    pub fn fdb_remove(&mut self, mac: Mac, vlan: u16) -> Result<(), MapsError> {
        absent_is_fine(self.fdb.remove(&FdbKey::new(mac.octets(), vlan).to_bytes()))
            .map_err(|error| MapsError::Write { name: maps::FDB, error })
    }

    /// Forgets everyone behind a slot. Walks the whole table.
    pub fn fdb_clear_port(&mut self, slot: u16) -> Result<(), MapsError> {
        // Taken out only after the walk: the kernel begins it again when it finds its place gone.
        let mut gone = Vec::new();
        for entry in self.fdb.iter() {
            let (key, behind) =
                entry.map_err(|error| MapsError::Read { name: maps::FDB, error })?;
            if behind == u32::from(slot) {
                gone.push(key);
            }
        }
        gone.iter()
            .try_for_each(|key| absent_is_fine(self.fdb.remove(key)))
            .map_err(|error| MapsError::Write { name: maps::FDB, error })
    }

    /// The map of bits, [`shed::WORDS`] words when mapped into memory; [`shed::cell`] says which.
    pub fn shed_fd(&self) -> BorrowedFd<'_> {
        self.shed_fd.as_fd()
    }

    /// Takes away what is shed from a slot and for it. Workers clear the bits they set, so there
    /// should be none; one left behind would silence the slot's next port for no reason. Another
    /// port's row is written only where it has one, as the kernel writes a row whole and a worker
    /// may be changing the bits beside it.
    pub(super) fn clear_shed(&mut self, slot: u16) -> Result<(), MapsError> {
        let name = maps::SHED;
        let (word, mask) = shed::bit(slot);
        for ingress in 0..MAX_PORTS {
            let mut row =
                self.shed.get(&ingress, 0).map_err(|error| MapsError::Read { name, error })?;
            let before = row;
            if ingress == u32::from(slot) {
                row = shed::Row::default();
            } else if let Some(word) = row.get_mut(word) {
                *word &= !mask;
            }
            if row != before {
                self.shed.set(ingress, row, 0).map_err(|error| MapsError::Write { name, error })?;
            }
        }
        Ok(())
    }
}
