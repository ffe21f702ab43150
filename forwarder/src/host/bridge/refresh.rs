//! Keeps addresses alive whose frames the bridge no longer sees, because the gate forwards them past
//! it.
//!
//! A refresh is a write: the kernel moves the address to the named port, wherever the address is. The
//! refresh must therefore be right at that moment. An address is refreshed only if
//!
//! - it is a dynamic one, at a port that learns and is not locked: at a locked port a user or daemon
//!   authorizes addresses, and a refresh would authorize one that has just been revoked;
//! - the gate has seen a frame from it at that port since the bridge last saw one;
//! - the bridge would soon forget it;
//! - all that the kernel has said until then is known ([`BridgeWatch::drained`]).
//!
//! A moment remains between the last check and the write. The kernel's later messages show what changed
//! in it, and weir then restores the earlier state ([`repairs`]).
//!
//! Invariant: after [`Refresher::run`] no address is at a port, and none is new in a VLAN, where the
//! bridge by itself would not have it.
//!
//! [`BridgeWatch::drained`]: super::watch::BridgeWatch::drained

mod write;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::write::{Refresher, Round};
use super::state::{Address, AddressKey, BridgeState, Change, StpState};

/// When the bridge last saw a frame from an address, as far as weir knows. The true time may be later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastFrame {
    ifindex: u32,
    at_ns: u64,
}

/// One address to refresh, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    pub key: AddressKey,
    pub ifindex: u32,
}

/// The undoing of a refresh that was wrong because something happened at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// The address had just moved: move it back.
    MoveBack { key: AddressKey, ifindex: u32 },
    /// The address had just been removed, or never existed.
    Remove { key: AddressKey, ifindex: u32 },
}

/// Decides what to refresh. Times are of CLOCK_MONOTONIC, like the gate's.
#[derive(Debug, Default)]
pub struct RefreshSchedule {
    last: BTreeMap<AddressKey, LastFrame>,
}

impl RefreshSchedule {
    /// Takes in the full state of a bridge.
    pub fn begin(&mut self, state: &BridgeState, now_ns: u64) {
        self.last.clear();
        for seen in state.addresses() {
            self.record(&seen.address, seen.age, now_ns);
        }
    }

    /// Takes in later changes.
    pub fn note(&mut self, changes: &[Change], now_ns: u64) {
        for change in changes {
            match change {
                Change::AddressSet { address, age, .. } => self.record(address, *age, now_ns),
                Change::AddressRemoved { address } => {
                    self.last.remove(&address.key);
                }
                Change::BridgeRemoved => self.last.clear(),
                _ => {}
            }
        }
    }

    fn record(&mut self, address: &Address, age: Duration, now_ns: u64) {
        let at_ns = now_ns.saturating_sub(nanoseconds(age));
        self.last.insert(address.key, LastFrame { ifindex: address.ifindex, at_ns });
    }

    /// Records that a refresh was written.
    pub fn refreshed(&mut self, refresh: &Refresh, now_ns: u64) {
        let last = LastFrame { ifindex: refresh.ifindex, at_ns: now_ns };
        self.last.insert(refresh.key, last);
    }

    /// The refreshes that are due. `last_seen_ns` is the time at which the gate last saw a frame from
    /// an address at the port where the bridge has it.
    pub fn due(
        &self,
        state: &BridgeState,
        now_ns: u64,
        last_seen_ns: impl Fn(&Address) -> Option<u64>,
    ) -> Vec<Refresh> {
        let hold = state.settings().map_or(Duration::ZERO, |settings| settings.hold_time());
        let soon = nanoseconds(hold - hold / 4);
        let is_due = |address: &&Address| {
            self.last.get(&address.key).is_some_and(|last| {
                // An address that is not where it was last seen has just moved.
                last.ifindex == address.ifindex
                    && now_ns.saturating_sub(last.at_ns) >= soon
                    && may_refresh(state, address)
                    && last_seen_ns(address).is_some_and(|at_ns| at_ns > last.at_ns)
            })
        };
        let due = state.addresses().map(|seen| &seen.address).filter(is_due);
        due.map(|address| Refresh { key: address.key, ifindex: address.ifindex }).collect()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How often [`Refresher::run`] must be called so that the bridge forgets nothing in between.
pub fn period(state: &BridgeState) -> Duration {
    let hold = state.settings().map_or(Duration::ZERO, |settings| settings.hold_time());
    (hold / 16).clamp(Duration::from_millis(50), Duration::from_secs(10))
}

/// Whether the bridge would refresh the address itself if it saw the frame.
pub fn may_refresh(state: &BridgeState, address: &Address) -> bool {
    let (Some(bridge), Some(port)) = (state.settings(), state.port(address.ifindex)) else {
        return false;
    };
    let vid = address.key.vid;
    let vlan = if bridge.vlan_filtering {
        let member = port.vlans.get(vid);
        member.is_some_and(|flags| flags.options.state == StpState::FORWARDING)
    } else {
        vid == 0
    };
    address.ages()
        && !address.locked
        && vlan
        // Zero: the bridge learns nothing.
        && !bridge.hold_time().is_zero()
        && port.settings.learning
        && !port.settings.locked
        && port.settings.stp_state == StpState::FORWARDING
}

/// What to repair after a refresh. `told` are the changes from the last check before the write to the
/// first check after it.
pub fn repairs(refresh: &Refresh, told: &[Change]) -> Vec<Repair> {
    let Refresh { key, ifindex } = *refresh;
    let mut repairs = Vec::new();
    // The port that had the address before the kernel carried out the refresh; `None`: no port.
    let mut before = Some(ifindex);
    let mut written = None;
    for change in told {
        match change {
            Change::AddressSet { address, before: None, .. } if address.key == key => {
                written = (address.ifindex == ifindex && before.is_none()).then_some(None);
                before = Some(address.ifindex);
            }
            Change::AddressSet { address, before: Some(from), .. }
                if address.key == key && address.ifindex != *from =>
            {
                written = (address.ifindex == ifindex).then_some(Some(*from));
                before = Some(address.ifindex);
            }
            Change::AddressRemoved { address } if address.key == key => {
                written = None;
                before = None;
            }
            // Without a VLAN, the kernel also adds the address to every VLAN of the port.
            Change::AddressSet { address, before: None, .. }
                if key.vid == 0
                    && address.key.mac == key.mac
                    && address.ifindex == ifindex
                    && address.ages() =>
            {
                repairs.push(Repair::Remove { key: address.key, ifindex });
            }
            _ => {}
        }
    }
    match written {
        Some(Some(elsewhere)) => repairs.push(Repair::MoveBack { key, ifindex: elsewhere }),
        Some(None) => repairs.push(Repair::Remove { key, ifindex }),
        None => {}
    }
    repairs
}

#[cfg(test)]
mod tests;
