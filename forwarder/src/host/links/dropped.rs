//! Counts of the frames that devices dropped on transmission.
//!
//! Invariant: the counts are the kernel's, since each device was made; nothing is kept here.

use std::collections::HashMap;
use std::io;

use nix::libc;

use crate::host::netlink::{Attributes, Netlink, Request, u32_at};

const IFLA_STATS_LINK_64: u16 = 1;
/// `struct if_stats_msg`.
const HEADER: usize = 12;
/// The offset of `tx_dropped` in `struct rtnl_link_stats64`.
const TX_DROPPED: usize = 7 * 8;

/// The counts by interface index, in this thread's network namespace, for one interface or for all.
pub(crate) fn tx_dropped(ifindex: Option<u32>) -> io::Result<HashMap<u32, u64>> {
    let wanted = 1 << (IFLA_STATS_LINK_64 - 1);
    let request = Request::of_words(libc::RTM_GETSTATS, [0, ifindex.unwrap_or(0), wanted]);
    let mut netlink = Netlink::open()?;
    let answers = match ifindex {
        Some(_) => netlink.call(&request)?,
        None => netlink.dump(&request)?,
    };
    Ok(answers.iter().filter_map(|(_, payload)| read(payload)).collect())
}

fn read(payload: &[u8]) -> Option<(u32, u64)> {
    let ifindex = u32_at(payload, 4)?;
    let stats = Attributes::behind(HEADER, payload).get(IFLA_STATS_LINK_64)?;
    let dropped = stats.get(TX_DROPPED..TX_DROPPED + 8)?.try_into().ok()?;
    Some((ifindex, u64::from_ne_bytes(dropped)))
}

#[cfg(test)]
mod tests;
