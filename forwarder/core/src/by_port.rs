//! A table by port that takes memory only for ports in it: a link uses it for the sources that send to it.
//! Neighbouring ports share a piece of memory. So a look-up follows one pointer and costs no more than in a
//! table of all ports.
//!
//! Invariant: a group without values is not allocated, and `len` is the number of values.

use crate::{MAX_PORTS, PortId};

/// Ports that share a piece of memory.
const GROUP: usize = 8;
const GROUPS: usize = MAX_PORTS / GROUP;
const _: () = assert!(MAX_PORTS.is_multiple_of(GROUP));

type Group<T> = Box<[Option<T>; GROUP]>;

/// A table by port; see the module.
#[derive(Clone, Debug)]
pub struct ByPort<T> {
    groups: [Option<Group<T>>; GROUPS],
    len: usize,
}

impl<T> Default for ByPort<T> {
    fn default() -> Self {
        Self { groups: [const { None }; GROUPS], len: 0 }
    }
}

impl<T> ByPort<T> {
    #[inline]
    pub fn get(&self, port: PortId) -> Option<&T> {
        let group = self.groups.get(port.index() / GROUP)?.as_ref()?;
        group.get(port.index() % GROUP)?.as_ref()
    }

    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, port: PortId) -> Option<&mut T> {
        let group = self.groups.get_mut(port.index() / GROUP)?.as_mut()?;
        group.get_mut(port.index() % GROUP)?.as_mut()
    }

    #[inline]
    pub fn contains(&self, port: PortId) -> bool {
        self.get(port).is_some()
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Stores a value for a port. Returns the previous value, or the new one if the port is out of range. May
    /// allocate: cold.
    #[cold]
    pub fn insert(&mut self, port: PortId, value: T) -> Option<T> {
        let Some(group) = self.groups.get_mut(port.index() / GROUP) else { return Some(value) };
        let group = group.get_or_insert_with(|| Box::new([const { None }; GROUP]));
        let before = group.get_mut(port.index() % GROUP)?.replace(value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Removes a port's value, and frees memory that is no longer needed. Cold.
    #[cold]
    pub fn remove(&mut self, port: PortId) -> Option<T> {
        let place = self.groups.get_mut(port.index() / GROUP)?;
        let group = place.as_mut()?;
        let value = group.get_mut(port.index() % GROUP)?.take()?;
        if group.iter().all(Option::is_none) {
            *place = None;
        }
        self.len -= 1;
        Some(value)
    }

    /// Iterates in the order of the ports, as all of the following methods do.
    pub fn iter(&self) -> impl Iterator<Item = (PortId, &T)> {
        let groups = self.groups.iter().enumerate();
        groups.filter_map(|(at, group)| Some((at, group.as_ref()?))).flat_map(|(at, group)| {
            let values = (at * GROUP..).zip(group.iter());
            values.filter_map(|(id, value)| Some((PortId(id as u16), value.as_ref()?)))
        })
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (PortId, &mut T)> {
        let groups = self.groups.iter_mut().enumerate();
        groups.filter_map(|(at, group)| Some((at, group.as_mut()?))).flat_map(|(at, group)| {
            let values = (at * GROUP..).zip(group.iter_mut());
            values.filter_map(|(id, value)| Some((PortId(id as u16), value.as_mut()?)))
        })
    }

    pub fn ports(&self) -> impl Iterator<Item = PortId> {
        self.iter().map(|(port, _)| port)
    }
}

#[cfg(test)]
mod tests;
