//! The key of a flow. Invariant: two keys are equal exactly if all that `FlowKey` shows is equal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::PortId;

/// A source port, with addresses, protocol and ports as the guest sent them. A frame that is not IP has its
/// EtherType only. A fragment has no ports, and an ICMP echo has its identifier as both ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct FlowKey {
    /// IPv4 as `::ffff:a.b.c.d`; zero for frames that are not IP.
    pub src: [u8; 16],
    pub dst: [u8; 16],
    pub src_port: u16,
    pub dst_port: u16,
    pub vlan: u16,
    pub ethertype: u16,
    pub ingress: u16,
    /// The protocol number of IP.
    pub proto: u8,
}

impl FlowKey {
    pub fn ingress(&self) -> PortId {
        PortId(self.ingress)
    }

    /// Source and destination, if it is IP.
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        match self.ethertype {
            0x0800 => Some((v4(self.src), v4(self.dst))),
            0x86dd => Some((Ipv6Addr::from(self.src).into(), Ipv6Addr::from(self.dst).into())),
            _ => None,
        }
    }
}

/// A key as the table keeps it. It consists of whole words, which are written and read as such. Bytes written
/// singly and read as a word a moment later would stall the read until the stores have reached the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PackedKey {
    src: [u64; 2],
    dst: [u64; 2],
    /// Ports, VLAN and EtherType.
    ports: u64,
    /// Ingress and protocol.
    rest: u64,
}

impl PackedKey {
    /// Takes addresses as big-endian numbers (see `FlowKey` for each field) and ports as `src << 16 | dst`.
    #[inline]
    pub fn new(
        (src, dst): (u128, u128),
        ports: u32,
        tag: (u16, u16),
        ingress: u16,
        proto: u8,
    ) -> Self {
        let (vlan, ethertype) = tag;
        Self {
            src: halves(src),
            dst: halves(dst),
            ports: u64::from(ports) | u64::from(vlan) << 32 | u64::from(ethertype) << 48,
            rest: u64::from(ingress) | u64::from(proto) << 16,
        }
    }

    /// The source port's slot.
    #[inline]
    pub fn ingress(&self) -> u16 {
        self.rest as u16
    }

    /// Equality without a branch for each word.
    #[inline]
    pub(super) fn same(&self, other: &Self) -> bool {
        let mut differ = (self.ports ^ other.ports) | (self.rest ^ other.rest);
        for (mine, theirs) in
            self.src.iter().chain(&self.dst).zip(other.src.iter().chain(&other.dst))
        {
            differ |= mine ^ theirs;
        }
        differ == 0
    }

    /// All words of the key: source, destination, the rest.
    #[inline]
    pub(super) fn words(&self) -> [[u64; 2]; 3] {
        [self.src, self.dst, [self.ports, self.rest]]
    }
}

#[inline]
const fn halves(number: u128) -> [u64; 2] {
    [(number >> 64) as u64, number as u64]
}

impl From<&FlowKey> for PackedKey {
    fn from(key: &FlowKey) -> Self {
        Self::new(
            (u128::from_be_bytes(key.src), u128::from_be_bytes(key.dst)),
            u32::from(key.src_port) << 16 | u32::from(key.dst_port),
            (key.vlan, key.ethertype),
            key.ingress,
            key.proto,
        )
    }
}

impl From<&PackedKey> for FlowKey {
    fn from(packed: &PackedKey) -> Self {
        let address =
            |[high, low]: [u64; 2]| (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        let PackedKey { src, dst, ports, rest } = *packed;
        Self {
            src: address(src),
            dst: address(dst),
            src_port: (ports >> 16) as u16,
            dst_port: ports as u16,
            vlan: (ports >> 32) as u16,
            ethertype: (ports >> 48) as u16,
            ingress: rest as u16,
            proto: (rest >> 16) as u8,
        }
    }
}

fn v4(mapped: [u8; 16]) -> IpAddr {
    let [.., a, b, c, d] = mapped;
    Ipv4Addr::new(a, b, c, d).into()
}

#[cfg(test)]
mod tests;
