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
//! in it, and weir then restores the earlier state (`repairs`).
//!
//! Invariant: after [`BridgeWatch::refresh`] no address is at a port, and none is new in a VLAN, where the
//! bridge by itself would not have it.

use std::io;
use std::time::Duration;

use nix::libc;

use super::state::{Address, AddressKey, BridgeState, Change, Seen, StpState, nanoseconds};
use super::watch::BridgeWatch;
use crate::host::links::LinksError;
use crate::host::netlink::Request;

/// One address to refresh, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    pub key: AddressKey,
    pub ifindex: u32,
}

/// The undoing of a refresh that was wrong because something happened at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    /// The address had just moved: move it back.
    MoveBack(Refresh),
    /// The address had just been removed, or never existed.
    Remove(Refresh),
}

/// The result of one round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    pub refreshed: usize,
    /// Writes that the kernel refused, because the port or address was gone.
    pub refused: usize,
    /// Concurrent changes that a refresh overwrote and that were restored.
    pub repaired: usize,
    /// Notifications were lost: no more writes until the bridge has been read again.
    pub stale: bool,
}

/// Each write directly follows a read of all pending kernel messages, and is followed by another read.
impl BridgeWatch {
    /// Writes the refreshes that are due; [`BridgeWatch::next`] still returns the changes that arrive
    /// meanwhile. `last_seen_ns` is the time at which the gate last saw a frame from an address at the port
    /// where the bridge has it.
    pub fn refresh(
        &mut self,
        now_ns: u64,
        last_seen_ns: impl Fn(&Address) -> Option<u64>,
    ) -> Result<Round, LinksError> {
        let mut round = Round::default();
        if !self.drained()? {
            round.stale = true;
            return Ok(round);
        }
        for refresh in due(&self.state, now_ns, last_seen_ns) {
            if !self.drained()? {
                round.stale = true;
                break;
            }
            // Something may have happened since the list was made.
            let stays = self.state.address(refresh.key).is_some_and(|address| {
                address.ifindex == refresh.ifindex && may_refresh(&self.state, address)
            });
            if !stays {
                continue;
            }
            let mark = self.told();
            if let Err(error) = self.write_refresh(&refresh) {
                tracing::debug!(?refresh, %error, "is not refreshed");
                round.refused += 1;
                continue;
            }
            self.state.refreshed(refresh.key, now_ns);
            round.refreshed += 1;
            round.repaired += self.check_refresh(mark, &refresh)?;
        }
        Ok(round)
    }

    /// Tells the bridge that a frame from the address arrived at that port.
    pub fn write_refresh(&mut self, refresh: &Refresh) -> io::Result<()> {
        self.netlink.change(&entry(libc::RTM_NEWNEIGH, refresh, libc::NTF_USE))
    }

    /// Reads the kernel's messages since `mark`, and undoes wrong effects of the refresh; returns the
    /// number of repairs.
    pub fn check_refresh(&mut self, mark: usize, refresh: &Refresh) -> Result<usize, LinksError> {
        // A loss leaves the order of events unknown; the messages before it still count.
        self.drained()?;
        let repairs = repairs(refresh, self.told_since(mark));
        for repair in &repairs {
            let repaired = match repair {
                Repair::MoveBack(to) => self.write_refresh(to),
                Repair::Remove(from) => self.netlink.change(&entry(libc::RTM_DELNEIGH, from, 0)),
            };
            if let Err(error) = repaired {
                // Another process changed it, and has the last word.
                tracing::debug!(?repair, %error, "is not put back");
            }
        }
        Ok(repairs.len())
    }
}

fn entry(kind: u16, Refresh { key, ifindex }: &Refresh, flags: u8) -> Request {
    let mut fixed = [0; 12];
    fixed[0] = libc::AF_BRIDGE as u8;
    fixed[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    fixed[8..10].copy_from_slice(&libc::NUD_REACHABLE.to_ne_bytes());
    fixed[10] = flags | libc::NTF_MASTER;
    let request = Request::new(kind, &fixed).attribute(libc::NDA_LLADDR, &key.mac);
    if key.vid == 0 {
        return request;
    }
    request.attribute(libc::NDA_VLAN, &key.vid.to_ne_bytes())
}

/// The refreshes that are due.
pub fn due(
    state: &BridgeState,
    now_ns: u64,
    last_seen_ns: impl Fn(&Address) -> Option<u64>,
) -> Vec<Refresh> {
    let hold = hold_time(state);
    let soon = nanoseconds(hold - hold / 4);
    let is_due = |seen: &&Seen| {
        now_ns.saturating_sub(seen.at_ns) >= soon
            && may_refresh(state, &seen.address)
            && last_seen_ns(&seen.address).is_some_and(|at_ns| at_ns > seen.at_ns)
    };
    let due = state.addresses().filter(is_due).map(|seen| seen.address);
    due.map(|address| Refresh { key: address.key, ifindex: address.ifindex }).collect()
}

/// How often [`BridgeWatch::refresh`] must be called so that the bridge forgets nothing in between.
pub fn period(state: &BridgeState) -> Duration {
    (hold_time(state) / 16).clamp(Duration::from_millis(50), Duration::from_secs(10))
}

fn hold_time(state: &BridgeState) -> Duration {
    state.settings().map_or(Duration::ZERO, |settings| settings.hold_time())
}

/// Whether the bridge would refresh the address itself if it saw the frame.
fn may_refresh(state: &BridgeState, address: &Address) -> bool {
    let (Some(bridge), Some(port)) = (state.settings(), state.port(address.ifindex)) else {
        return false;
    };
    let vid = address.key.vid;
    let vlan = if bridge.vlan_filtering {
        port.vlans.get(vid).is_some_and(|flags| flags.state == StpState::FORWARDING)
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
fn repairs(refresh: &Refresh, told: &[Change]) -> Vec<Repair> {
    let Refresh { key, ifindex } = *refresh;
    let mut repairs = Vec::new();
    // The port that had the address, if any, when the kernel carried out a refresh that changed something.
    let mut written = None;
    for change in told {
        match change {
            Change::AddressSet { address, before }
                if address.key == key && *before != Some(address.ifindex) =>
            {
                written = (address.ifindex == ifindex).then_some(*before);
            }
            Change::AddressRemoved { address } if address.key == key => written = None,
            // Without a VLAN, the kernel also adds the address to every VLAN of the port.
            Change::AddressSet { address, before: None }
                if key.vid == 0
                    && address.key.mac == key.mac
                    && address.ifindex == ifindex
                    && address.ages() =>
            {
                repairs.push(Repair::Remove(Refresh { key: address.key, ifindex }));
            }
            _ => {}
        }
    }
    match written {
        Some(Some(ifindex)) => repairs.push(Repair::MoveBack(Refresh { key, ifindex })),
        Some(None) => repairs.push(Repair::Remove(*refresh)),
        None => {}
    }
    repairs
}

#[cfg(test)]
mod tests;
