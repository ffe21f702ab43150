//! Writes refreshes. Invariant: each write directly follows a read of all pending kernel messages, and
//! is followed by another read.

use std::io;

use nix::libc;

use super::{Refresh, RefreshSchedule, Repair, may_refresh, repairs};
use crate::host::bridge::state::{Address, AddressKey};
use crate::host::bridge::watch::BridgeWatch;
use crate::host::links::LinksError;
use crate::host::netlink::{Netlink, Request};

// linux/neighbour.h
const NTF_USE: u8 = 1 << 0;
const NTF_MASTER: u8 = 1 << 2;

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

/// Writes the refreshes that are due, over a connection of its own in the network namespace of the
/// thread that opened it.
#[derive(Debug)]
pub struct Refresher {
    pub schedule: RefreshSchedule,
    netlink: Netlink,
}

impl Refresher {
    pub fn open() -> Result<Self, LinksError> {
        Ok(Self { schedule: RefreshSchedule::default(), netlink: Netlink::open()? })
    }

    /// Writes the refreshes that are due. The watch still returns the changes that arrive meanwhile.
    pub fn run(
        &mut self,
        watch: &mut BridgeWatch,
        now_ns: u64,
        last_seen_ns: impl Fn(&Address) -> Option<u64>,
    ) -> Result<Round, LinksError> {
        let mut round = Round::default();
        if !watch.drained()? {
            round.stale = true;
            return Ok(round);
        }
        for refresh in self.schedule.due(watch.state(), now_ns, last_seen_ns) {
            if !watch.drained()? {
                round.stale = true;
                break;
            }
            // Something may have happened since the list was made.
            let stays = watch.state().address(refresh.key).is_some_and(|address| {
                address.ifindex == refresh.ifindex && may_refresh(watch.state(), address)
            });
            if !stays {
                continue;
            }
            let mark = watch.told();
            if let Err(error) = self.write(&refresh) {
                tracing::debug!(?refresh, %error, "is not refreshed");
                round.refused += 1;
                continue;
            }
            self.schedule.refreshed(&refresh, now_ns);
            round.refreshed += 1;
            round.repaired += self.check(watch, mark, &refresh)?;
        }
        Ok(round)
    }

    /// Tells the bridge that a frame from the address arrived at that port.
    pub fn write(&mut self, refresh: &Refresh) -> io::Result<()> {
        let Refresh { key, ifindex } = *refresh;
        self.netlink.change(&entry(libc::RTM_NEWNEIGH, key, ifindex, NTF_USE))
    }

    /// Reads the kernel's messages since `mark`, and undoes wrong effects of the refresh; returns the
    /// number of repairs.
    pub fn check(
        &mut self,
        watch: &mut BridgeWatch,
        mark: usize,
        refresh: &Refresh,
    ) -> Result<usize, LinksError> {
        // A loss leaves the order of events unknown; the messages before it still count.
        watch.drained()?;
        let repairs = repairs(refresh, watch.told_since(mark));
        for repair in &repairs {
            let request = match *repair {
                Repair::MoveBack { key, ifindex } => {
                    entry(libc::RTM_NEWNEIGH, key, ifindex, NTF_USE)
                }
                Repair::Remove { key, ifindex } => entry(libc::RTM_DELNEIGH, key, ifindex, 0),
            };
            if let Err(error) = self.netlink.change(&request) {
                // Another process changed it, and has the last word.
                tracing::debug!(?repair, %error, "is not put back");
            }
        }
        Ok(repairs.len())
    }
}

fn entry(kind: u16, key: AddressKey, ifindex: u32, flags: u8) -> Request {
    let mut fixed = [0; 12];
    fixed[0] = libc::AF_BRIDGE as u8;
    fixed[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    fixed[8..10].copy_from_slice(&libc::NUD_REACHABLE.to_ne_bytes());
    fixed[10] = flags | NTF_MASTER;
    let request = Request::new(kind, &fixed).attribute(libc::NDA_LLADDR, &key.mac);
    if key.vid == 0 {
        return request;
    }
    request.attribute(libc::NDA_VLAN, &key.vid.to_ne_bytes())
}
