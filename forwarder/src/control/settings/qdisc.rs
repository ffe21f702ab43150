//! The egress qdisc of a port. A veth's full ring pushes back only on a device that has a qdisc
//! (DESIGN 3.5). Invariant: an operator's qdisc is never replaced nor removed.

use std::io;

use nix::libc;

use crate::control::netlink::{Netlink, Request, attributes, text, u32_at};

/// By this handle weir knows its own again: "we" in ASCII, 7765: in `tc qdisc show`.
pub const HANDLE: u32 = 0x7765_0000;
const KIND: &[u8] = b"pfifo\0";
const LIMIT_PACKETS: u32 = 1000;

// linux/rtnetlink.h, linux/pkt_sched.h
const TC_HEADER_LEN: usize = 20;
const TC_H_ROOT: u32 = 0xffff_ffff;

/// The root qdisc of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    pub kind: String,
    pub handle: u32,
}

impl Root {
    pub fn is_none(&self) -> bool {
        self.kind == "noqueue"
    }

    pub fn is_ours(&self) -> bool {
        self.handle == HANDLE && self.kind == "pfifo"
    }
}

fn header(ifindex: u32, handle: u32, parent: u32) -> [u8; TC_HEADER_LEN] {
    let mut fixed = [0; TC_HEADER_LEN];
    fixed[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    fixed[8..12].copy_from_slice(&handle.to_ne_bytes());
    fixed[12..16].copy_from_slice(&parent.to_ne_bytes());
    fixed
}

/// The root qdiscs of all interfaces, by index.
pub(crate) fn roots(netlink: &mut Netlink) -> io::Result<Vec<(u32, Root)>> {
    let answers = netlink.dump(&Request::new(libc::RTM_GETQDISC, &header(0, 0, 0)))?;
    Ok(answers.iter().filter_map(|(_, payload)| decode(payload)).collect())
}

pub(crate) fn root(netlink: &mut Netlink, ifindex: u32) -> io::Result<Option<Root>> {
    let found = roots(netlink)?.into_iter().find(|(index, _)| *index == ifindex);
    Ok(found.map(|(_, root)| root))
}

fn decode(payload: &[u8]) -> Option<(u32, Root)> {
    if u32_at(payload, 12)? != TC_H_ROOT {
        return None;
    }
    let kind = attributes(payload, TC_HEADER_LEN)
        .find(|(kind, _)| *kind == libc::TCA_KIND)
        .map(|(_, value)| text(value))?;
    Some((u32_at(payload, 4)?, Root { kind, handle: u32_at(payload, 8)? }))
}

pub(super) fn add(netlink: &mut Netlink, ifindex: u32) -> io::Result<()> {
    let request = Request::new(libc::RTM_NEWQDISC, &header(ifindex, HANDLE, TC_H_ROOT))
        .flags(libc::NLM_F_CREATE | libc::NLM_F_EXCL)
        .attribute(libc::TCA_KIND, KIND)
        .attribute(libc::TCA_OPTIONS, &LIMIT_PACKETS.to_ne_bytes());
    netlink.call(&request).map(drop)
}

pub(super) fn remove(netlink: &mut Netlink, ifindex: u32) -> io::Result<()> {
    netlink.call(&Request::new(libc::RTM_DELQDISC, &header(ifindex, HANDLE, TC_H_ROOT))).map(drop)
}

pub(super) fn tx_queue_len(netlink: &mut Netlink, ifindex: u32) -> io::Result<u32> {
    let answers = netlink.call(&Request::about_link(libc::RTM_GETLINK, ifindex))?;
    let found = answers.iter().find_map(|(_, payload)| {
        let mut list = attributes(payload, 16);
        list.find(|(kind, _)| *kind == libc::IFLA_TXQLEN).and_then(|(_, value)| u32_at(value, 0))
    });
    found.ok_or_else(|| io::Error::other("the kernel tells no tx_queue_len"))
}

pub(super) fn set_tx_queue_len(
    netlink: &mut Netlink,
    ifindex: u32,
    packets: u32,
) -> io::Result<()> {
    let request = Request::about_link(libc::RTM_SETLINK, ifindex)
        .attribute(libc::IFLA_TXQLEN, &packets.to_ne_bytes());
    netlink.call(&request).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_ours_from_others() {
        let root = |kind: &str, handle| Root { kind: kind.into(), handle };
        assert!(root("noqueue", 0).is_none());
        assert!(root("pfifo", HANDLE).is_ours());
        assert!(!root("pfifo", 0x1_0000).is_ours());
        assert!(!root("htb", HANDLE).is_ours());
    }

    #[test]
    fn only_the_root_counts() {
        let mut payload = header(7, HANDLE, TC_H_ROOT).to_vec();
        payload.extend_from_slice(&[10, 0, libc::TCA_KIND as u8, 0]);
        payload.extend_from_slice(b"pfifo\0\0\0");
        let expected = Root { kind: "pfifo".into(), handle: HANDLE };
        assert_eq!(decode(&payload), Some((7, expected)));
        payload[12] = 0;
        assert_eq!(decode(&payload), None);
        assert_eq!(decode(&payload[..15]), None);
    }
}
