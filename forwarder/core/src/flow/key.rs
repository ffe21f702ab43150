//! What a flow is. Invariant: two keys are equal exactly if all that `FlowKey` shows is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::PortId;

/// A source port with addresses, protocol and ports as the guest sent them. Of what is not IP, the
/// EtherType only; of a fragment, no ports; of ICMP echo, the identifier as both ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct FlowKey {
    /// IPv4 as `::ffff:a.b.c.d`; zero for what is not IP.
    pub src: [u8; 16],
    pub dst: [u8; 16],
    pub src_port: u16,
    pub dst_port: u16,
    pub vlan: u16,
    pub ethertype: u16,
    pub ingress: u16,
    /// IP's protocol number.
    pub proto: u8,
    pub pad: u8,
}

const _: () = assert!(size_of::<FlowKey>() == 44);

impl FlowKey {
    /// `==` without the call to `memcmp` that it would be.
    #[inline]
    pub(super) fn same(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.words(), other.words());
        let addresses = (mine.0 ^ theirs.0) | (mine.1 ^ theirs.1);
        let rest = (mine.2 ^ theirs.2) | (mine.3 ^ theirs.3);
        addresses | u128::from(rest) == 0
    }

    /// All of it.
    #[inline]
    pub(super) fn words(&self) -> (u128, u128, u64, u64) {
        (
            u128::from_ne_bytes(self.src),
            u128::from_ne_bytes(self.dst),
            u64::from(self.src_port)
                | u64::from(self.dst_port) << 16
                | u64::from(self.vlan) << 32
                | u64::from(self.ethertype) << 48,
            u64::from(self.ingress) | u64::from(self.proto) << 16 | u64::from(self.pad) << 24,
        )
    }

    #[must_use]
    pub fn ingress(&self) -> PortId {
        PortId(self.ingress)
    }

    /// Source and destination, where it is IP.
    #[must_use]
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        match self.ethertype {
            0x0800 => Some((v4(self.src), v4(self.dst))),
            0x86dd => Some((Ipv6Addr::from(self.src).into(), Ipv6Addr::from(self.dst).into())),
            _ => None,
        }
    }
}

fn v4(mapped: [u8; 16]) -> IpAddr {
    let [.., a, b, c, d] = mapped;
    Ipv4Addr::new(a, b, c, d).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_anywhere_makes_it_another_flow() {
        let key = FlowKey { ethertype: 0x0800, proto: 6, ingress: 3, ..FlowKey::default() };
        assert!(key.same(&key.clone()));
        let mut others = Vec::new();
        for bit in 0..8 {
            let flip = 1u8 << bit;
            for at in 0..16 {
                let mut other = key;
                other.src[at] ^= flip;
                others.push(other);
                let mut other = key;
                other.dst[at] ^= flip;
                others.push(other);
            }
            others.push(FlowKey { proto: key.proto ^ flip, ..key });
            others.push(FlowKey { pad: key.pad ^ flip, ..key });
        }
        for flip in (0..16).map(|bit| 1u16 << bit) {
            others.push(FlowKey { src_port: key.src_port ^ flip, ..key });
            others.push(FlowKey { dst_port: key.dst_port ^ flip, ..key });
            others.push(FlowKey { vlan: key.vlan ^ flip, ..key });
            others.push(FlowKey { ethertype: key.ethertype ^ flip, ..key });
            others.push(FlowKey { ingress: key.ingress ^ flip, ..key });
        }
        assert_eq!(others.len(), size_of::<FlowKey>() * 8);
        assert!(others.iter().all(|other| !key.same(other) && key != *other));
    }
}
