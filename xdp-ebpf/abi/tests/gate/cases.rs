//! Cases made at random for the oracle: bridges, tables and frames.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use weir_abi::Method;
use weir_abi::gso::skb_gso;
use weir_abi::table::ELSEWHERE;

use super::bridge::{Bridge, BridgePort, Mac, Station, split};
use super::world::with_tag;
use super::*;

const MACS: [Mac; 7] =
    [SRC, DST, [2, 0, 0, 0, 0, 9], [0; 6], [0xff; 6], [1, 0x80, 0xc2, 0, 0, 3], [3, 0, 0, 0, 0, 5]];
const VLANS: [u16; 4] = [1, 100, 2049, 4094];
/// One of the bridge's ports is not weir's.
pub(super) const PORTS: [u16; 4] = [IN, OUT, 63, ELSEWHERE];
const TAG_WORDS: [u16; 8] = [0, 1, 100, 0xe064, 2049, 0x8801, 0x7ffe, 0xfffe];

const GSO_TYPES: [u32; 5] = [skb_gso::TCPV4, skb_gso::TCPV6, skb_gso::UDP_L4, 1 << 10, 0];

/// All that one case is made of.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) bridge: Bridge,
    /// Of the ports that are weir's: more of the gate's flags.
    pub(super) flags: Vec<u32>,
    pub(super) allowed: Vec<Mac>,
    pub(super) ip_allowed: bool,
    pub(super) shed: Option<u16>,
    pub(super) storm: bool,
    pub(super) full: bool,
    pub(super) worker: bool,
    pub(super) wire: Vec<u8>,
    pub(super) native: bool,
    pub(super) redirected: bool,
    pub(super) gso: Option<u32>,
    /// Of the ports: how the gate gets a frame there, and the longest.
    pub(super) ways: Vec<Option<(Method, Mac, u32)>>,
    pub(super) unsettled: bool,
    pub(super) at_bridge: bool,
    pub(super) outdated: bool,
}

fn port() -> impl Strategy<Value = BridgePort> {
    let member = prop_oneof![1 => Just(None), 4 => any::<bool>().prop_map(Some)];
    let pvid = prop_oneof![1 => Just(None), 5 => select(&VLANS).prop_map(Some)];
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.8), prop::bool::weighted(0.2));
    (pvid, vec(member, 4), flags).prop_map(|(pvid, members, (isolated, learns, locked))| {
        let members = VLANS.into_iter().zip(members);
        let mut member: BTreeMap<_, _> =
            members.filter_map(|(vlan, untagged)| Some((vlan, untagged?))).collect();
        // The kernel keeps no PVID without membership.
        if let Some(vlan) = pvid {
            member.entry(vlan).or_insert(true);
        }
        BridgePort { pvid, member, isolated, learns, locked }
    })
}

/// A station is mostly where the frames of these tests come from or go to, in any VLAN.
fn bridge() -> impl Strategy<Value = Bridge> {
    let behind = |port| {
        prop_oneof![
            10 => Just(Some(Station::Behind(port))),
            1 => Just(None),
            1 => Just(Some(Station::Host)),
            2 => select(&PORTS).prop_map(|port| Some(Station::Behind(port))),
        ]
    };
    let vlans = [&[0], &VLANS[..]].concat();
    let stations = (vec(behind(IN), 5), vec(behind(OUT), 5), vec(behind(63), 5));
    (any::<bool>(), vec(port(), 4), stations).prop_map(move |(filters, ports, stations)| {
        let mut bridge = Bridge { filters, ..Bridge::default() };
        bridge.ports = PORTS.into_iter().zip(ports).collect();
        let (first, second, third) = stations;
        for (mac, places) in MACS.into_iter().zip([first, second, third]) {
            for (vlan, place) in vlans.iter().zip(places) {
                // Without filtering there is one table for all VLANs.
                if let Some(place) = place.filter(|_| filters == (*vlan != 0)) {
                    bridge.stations.insert((mac, *vlan), place);
                }
            }
        }
        bridge
    })
}

/// A frame of the corpus with other addresses, and with more tags in front.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let all = frames::all().into_iter().map(|(_, frame)| frame).filter(|f| f.len() >= 14);
    let protos = prop_oneof![6 => Just(0x8100_u16), 1 => Just(0x88a8)];
    let tags = vec((protos, select(&TAG_WORDS)), 0..3);
    let src = prop_oneof![6 => Just(SRC), 1 => select(&MACS)];
    let dst = prop_oneof![6 => Just(DST), 2 => select(&MACS)];
    let frame = (select(all.collect::<Vec<_>>()), tags, src, dst);
    let made = frame.prop_map(|(mut frame, tags, src, dst)| {
        frame[..6].copy_from_slice(&dst);
        frame[6..12].copy_from_slice(&src);
        let tags = tags.into_iter().map(|(proto, tci)| Tag { proto, tci });
        tags.fold(frame, |frame, tag| with_tag(&frame, Some(tag)))
    });
    // The kernel drops a frame whose tag is cut off before any program sees it.
    made.prop_filter("a tag that is cut off", |frame| split(frame).1.len() >= 14)
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    let rare = || prop::bool::weighted(0.1);
    let flags = (any::<u32>(), any::<u32>()).prop_map(|(a, b)| {
        let more = g::FALLBACK_DROP | g::MAC_LOCK | g::IP_LOCK | g::RESERVED_OK | g::EXPRESS_FROM;
        // Mostly understood, seldom locked.
        a & b & more & 0xffff | if a >> 16 & 7 != 0 { g::OFFLOAD } else { 0 }
    });
    let gso = prop_oneof![4 => Just(None), 1 => select(&GSO_TYPES).prop_map(Some)];
    let shed = prop_oneof![8 => Just(None), 1 => select(&PORTS).prop_map(Some)];
    let tables = (vec(flags, 3), vec(select(&MACS), 0..4), any::<bool>(), shed);
    let frame = (wire(), any::<bool>(), rare(), gso);
    let method = select(&[Method::Peer, Method::Redirect]);
    let way = prop::option::of((method, select(&MACS), select(&[60, 1514])));
    let express = (vec(way, 3), prop::bool::weighted(0.2), prop::bool::weighted(0.2), rare());
    (bridge(), tables, (rare(), rare(), prop::bool::weighted(0.9)), frame, express).prop_map(
        |(bridge, (flags, allowed, ip_allowed, shed), (storm, full, worker), frame, express)| {
            let (ways, unsettled, at_bridge, outdated) = express;
            let (wire, native, redirected, gso) = frame;
            Case {
                bridge,
                flags,
                allowed,
                ip_allowed,
                shed,
                storm,
                full,
                worker,
                wire,
                native,
                redirected,
                gso,
                ways,
                unsettled,
                at_bridge,
                outdated,
            }
        },
    )
}
