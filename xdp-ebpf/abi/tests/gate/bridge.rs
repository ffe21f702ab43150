//! A Linux bridge for frames to one station: what becomes of their bytes, step by step as the
//! kernel's `br_input.c`, `br_vlan.c` and `br_forward.c` have it. Slow and plain, and written
//! without a look at the decision.
//!
//! Invariant: works on frames as they stand on a wire, with all tags in them.

use std::collections::BTreeMap;

pub(crate) type Mac = [u8; 6];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Station {
    Host,
    Behind(u16),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct BridgePort {
    pub(crate) pvid: Option<u16>,
    /// By VLAN: whether frames leave untagged.
    pub(crate) member: BTreeMap<u16, bool>,
    pub(crate) isolated: bool,
    pub(crate) learns: bool,
    pub(crate) locked: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Bridge {
    pub(crate) filters: bool,
    pub(crate) ports: BTreeMap<u16, BridgePort>,
    pub(crate) stations: BTreeMap<(Mac, u16), Station>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Dropped,
    ToHost,
    /// To several ports, or to all.
    Flooded,
    Sent(u16, Vec<u8>),
}

/// The outermost tag of a frame, and the frame without it.
pub(crate) fn split(frame: &[u8]) -> (Option<[u8; 4]>, Vec<u8>) {
    match frame[12..] {
        [0x81, 0x00, c, d, ..] | [0x88, 0xa8, c, d, ..] => {
            let rest = [&frame[..12], &frame[16..]].concat();
            (Some([frame[12], frame[13], c, d]), rest)
        }
        _ => (None, frame.to_vec()),
    }
}

fn join(tag: [u8; 4], frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &tag, &frame[12..]].concat()
}

impl Bridge {
    /// A frame enters at a port.
    pub(crate) fn receive(&mut self, ingress: u16, frame: &[u8]) -> Fate {
        let dst: Mac = frame[..6].try_into().unwrap();
        let src: Mac = frame[6..12].try_into().unwrap();
        let port = self.ports[&ingress].clone();
        // is_valid_ether_addr
        if src == [0; 6] || src[0] % 2 == 1 {
            return Fate::Dropped;
        }
        let (mut tag, mut bytes) = split(frame);
        let mut vlan = 0;
        if self.filters {
            // __allowed_ingress
            if let Some(other @ [0x88, 0xa8, ..]) = tag {
                bytes = join(other, &bytes);
                tag = None;
            }
            vlan = tag.map_or(0, |[_, _, c, d]| u16::from_be_bytes([c, d]) % 4096);
            if vlan == 0 {
                let Some(pvid) = port.pvid else { return Fate::Dropped };
                vlan = pvid;
                let priority = tag.map_or(0, |[_, _, c, _]| c & 0xf0);
                let [high, low] = pvid.to_be_bytes();
                tag = Some([0x81, 0x00, priority | high, low]);
            }
            if !port.member.contains_key(&vlan) {
                return Fate::Dropped;
            }
        }
        let known = self.stations.get(&(src, vlan)).copied();
        if port.locked && known != Some(Station::Behind(ingress)) {
            return Fate::Dropped;
        }
        if port.learns && known != Some(Station::Host) {
            self.stations.insert((src, vlan), Station::Behind(ingress));
        }
        if dst[0] % 2 == 1 {
            return Fate::Flooded;
        }
        let egress = match self.stations.get(&(dst, vlan)) {
            Some(Station::Host) => return Fate::ToHost,
            None => return Fate::Flooded,
            Some(Station::Behind(egress)) => *egress,
        };
        // should_deliver
        let out = &self.ports[&egress];
        if egress == ingress || out.isolated && port.isolated {
            return Fate::Dropped;
        }
        if self.filters {
            match out.member.get(&vlan) {
                None => return Fate::Dropped,
                Some(true) => tag = None,
                Some(false) => {}
            }
        }
        Fate::Sent(egress, tag.map_or(bytes.clone(), |tag| join(tag, &bytes)))
    }
}
