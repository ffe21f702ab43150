//! The decision against a Linux bridge, over bridges, tables and frames made at random: what is
//! steered leaves as the bridge would have sent it, and nothing is dropped without its reason.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use weir_abi::gso::skb_gso;
use weir_abi::table::ELSEWHERE;
use weir_abi::{Bytes as _, Malformed, Method, classify, ethernet, meta_flags as f, parse};

use super::bridge::{Bridge, BridgePort, Fate, Mac, Station, split};
use super::world::with_tag;
use super::*;

const MACS: [Mac; 7] =
    [SRC, DST, [2, 0, 0, 0, 0, 9], [0; 6], [0xff; 6], [1, 0x80, 0xc2, 0, 0, 3], [3, 0, 0, 0, 0, 5]];
const VLANS: [u16; 4] = [1, 100, 2049, 4094];
/// One of the bridge's ports is not weir's.
const PORTS: [u16; 4] = [IN, OUT, 63, ELSEWHERE];
const TAG_WORDS: [u16; 8] = [0, 1, 100, 0xe064, 2049, 0x8801, 0x7ffe, 0xfffe];

const GSO_TYPES: [u32; 5] = [skb_gso::TCPV4, skb_gso::TCPV6, skb_gso::UDP_L4, 1 << 10, 0];

/// All that one case is made of.
#[derive(Clone, Debug)]
struct Case {
    bridge: Bridge,
    /// Of the ports that are weir's: more of the gate's flags.
    flags: Vec<u32>,
    allowed: Vec<Mac>,
    ip_allowed: bool,
    shed: Option<u16>,
    storm: bool,
    full: bool,
    worker: bool,
    wire: Vec<u8>,
    native: bool,
    redirected: bool,
    gso: Option<u32>,
    /// Of the ports: how the gate gets a frame there, and the longest.
    ways: Vec<Option<(Method, Mac, u32)>>,
    unsettled: bool,
    at_bridge: bool,
    outdated: bool,
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

/// A frame of the corpus, from and to somebody else, with more tags in front.
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

fn case() -> impl Strategy<Value = Case> {
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

impl Case {
    /// What the control side publishes of such a bridge.
    fn world(&self) -> World {
        let (storm, full) = (self.storm, self.full);
        let (unsettled, at_bridge) = (self.unsettled, self.at_bridge);
        let outdated = self.outdated;
        let mut world = World { storm, full, unsettled, at_bridge, outdated, ..World::default() };
        world.ways = PORTS
            .into_iter()
            .zip(self.ways.iter().copied())
            .filter_map(|(slot, way)| Some((slot, way?)))
            .collect();
        for (slot, more) in PORTS.into_iter().zip(&self.flags) {
            let port = &self.bridge.ports[&slot];
            let flag = |is: bool, flag: u32| if is { flag } else { 0 };
            let flags = more
                | flag(self.bridge.filters, g::VLAN_AWARE)
                | flag(port.isolated, g::ISOLATED)
                | flag(!port.learns, g::NO_LEARNING)
                | flag(port.locked, g::LOCKED);
            let pvid = port.pvid.unwrap_or(0);
            let spec = PortSpec { flags, pvid, queue: slot / 2, storm: Storm::default() };
            world.ports.insert(slot, spec);
            world
                .vlans
                .extend(port.member.iter().map(|(vlan, untagged)| ((slot, *vlan), *untagged)));
        }
        for ((mac, vlan), station) in &self.bridge.stations {
            let entry = match station {
                Station::Host => (ELSEWHERE, entry_flags::LOCAL),
                Station::Behind(port) => (*port, 0),
            };
            world.addresses.insert((*mac, *vlan), entry);
        }
        world.macs.extend(self.allowed.iter().map(|mac| (IN, *mac)));
        world.shed.extend(self.shed.map(|egress| (IN, egress)));
        world.workers.extend(self.worker.then_some(IN / 2));
        if let Some(address) = self.sender().ok().flatten().filter(|_| self.ip_allowed) {
            world.ips.insert((IN, address));
        }
        world
    }

    /// The frame as one of the two programs sees it.
    fn shot(&self) -> Shot {
        let (gso_size, gso_type) = self.gso.map_or((0, 0), |bits| (1000, bits));
        let other = Shot { redirected: self.redirected, gso_size, gso_type, ..Shot::default() };
        let (tag, bytes) = split(&self.wire);
        match tag.filter(|_| !self.native) {
            None => Shot { linear: self.wire.clone(), native: self.native, ..other },
            Some([a, b, c, d]) => {
                let tag =
                    Tag { proto: u16::from_be_bytes([a, b]), tci: u16::from_be_bytes([c, d]) };
                Shot { linear: bytes, beside: Some(tag), ..other }
            }
        }
    }

    /// Who it says sent it, if that can be read.
    fn sender(&self) -> Result<Option<[u8; 16]>, Malformed> {
        let shot = self.shot();
        parse::source(&shot, &ethernet(&shot)?)
    }

    /// Nothing about it is odd, so it must not be left to the bridge.
    fn is_plain(&self, fate: &Fate, learned: bool) -> bool {
        let Fate::Sent(to, _) = fate else { return false };
        let offload = |port: &u16| self.flags_of(*port) & g::OFFLOAD != 0;
        let src: Mac = self.wire[6..12].try_into().unwrap();
        let hosts =
            |(&(mac, _), station): (&(Mac, u16), &Station)| mac == src && *station == Station::Host;
        let usual_tag = match split(&self.wire).0 {
            Some([0x81, 0, c, d]) => [c & 0xf, d] != [0, 0],
            Some(_) => false,
            None => true,
        };
        let readable = classify(&self.shot()).is_ok_and(|v| !v.is(f::TAGGED2));
        let known = self.bridge.ports[&IN].learns && !learned;
        known
            && !self.bridge.stations.iter().any(hosts)
            && (offload(&IN) && offload(to))
            && (usual_tag || !self.bridge.filters)
            && !self.is_too_long(*to)
            && (readable && !self.redirected && self.gso.is_none())
    }

    /// Longer than the bridge forwards, where the gate looks at that.
    fn is_too_long(&self, to: u16) -> bool {
        self.flags[0] & g::EXPRESS_FROM != 0
            && self.gso.is_none()
            && self.way(to).is_some_and(|(_, _, most)| self.shot().len() > most as usize)
    }

    fn flags_of(&self, port: u16) -> u32 {
        let at = PORTS.iter().position(|other| *other == port);
        at.and_then(|at| self.flags.get(at)).copied().unwrap_or(0)
    }

    fn way(&self, port: u16) -> Option<(Method, Mac, u32)> {
        let at = PORTS.iter().position(|other| *other == port)?;
        self.ways.get(at).copied().flatten()
    }

    /// A tag is taken off, and the bytes begin with one.
    fn uncovers(&self, to: u16) -> bool {
        let shot = self.shot();
        let inner = shot.be16(12).is_some_and(|kind| [0x8100, 0x88a8].contains(&kind));
        let vlan = split(&self.wire).0.map(|[_, _, c, d]| u16::from_be_bytes([c, d]) & 0xfff);
        let untagged = |vlan: &u16| self.bridge.ports[&to].member.get(vlan) == Some(&true);
        self.bridge.filters && inner && vlan.is_some_and(|vlan| untagged(&vlan))
    }

    /// How it may be handed to the port by the gate itself.
    fn express(&self, to: u16) -> Option<Method> {
        let open = self.flags[0] & g::EXPRESS_FROM != 0 && !self.uncovers(to);
        let (method, mac, _) = self.way(to).filter(|_| open && !self.is_too_long(to))?;
        Some(if mac[..] == self.wire[..6] { method } else { Method::Redirect })
    }

    /// Whether a lock of the port stops it, and under which name.
    fn locked_out(&self) -> Option<Counter> {
        let has = |flag: u32| self.flags[0] & flag != 0;
        if has(g::MAC_LOCK) && !self.allowed.iter().any(|mac| mac[..] == self.wire[6..12]) {
            return Some(Counter::Spoofed);
        }
        match self.sender() {
            Err(_) => has(g::IP_LOCK).then_some(Counter::Malformed),
            Ok(Some(_)) if has(g::IP_LOCK) && !self.ip_allowed => Some(Counter::Spoofed),
            Ok(_) => None,
        }
    }
}

/// What a decision may be, by what the bridge would have done.
fn check(
    case: &Case,
    decision: &Decision,
    fate: &Fate,
    learned: bool,
) -> Result<(), TestCaseError> {
    let group = case.wire[0] & 1 != 0;
    let reserved = case.wire[..5] == [1, 0x80, 0xc2, 0, 0] && case.wire[5] < 16;
    let has = |flag: u32| case.flags[0] & flag != 0;
    let lock = case.locked_out();
    prop_assert_eq!(
        lock.is_some(),
        matches!(decision.outcome, Counter::Spoofed | Counter::Malformed)
    );
    let right = match decision.outcome {
        Counter::Spoofed | Counter::Malformed => lock == Some(decision.outcome),
        Counter::PassedHost => matches!(fate, Fate::ToHost | Fate::Dropped),
        Counter::PassedGroup => group && (!reserved || has(g::RESERVED_OK)),
        Counter::Reserved => reserved && !has(g::RESERVED_OK),
        Counter::Storm => case.storm && matches!(fate, Fate::Flooded | Fate::Dropped),
        // Never wrong, and never where it need not be: see below.
        Counter::PassedUnknown | Counter::PassedBridge => !case.is_plain(fate, learned),
        // From here on it is known where it goes.
        Counter::Shed => {
            case.shed.is_some() && matches!(fate, Fate::Sent(to, _) if case.shed == Some(*to))
        }
        Counter::PassedFallback => (!case.worker || case.outdated) && !has(g::FALLBACK_DROP),
        Counter::DroppedFallback => (!case.worker || case.outdated) && has(g::FALLBACK_DROP),
        Counter::RxShare => case.full && case.worker,
        Counter::Steered => case.worker && !case.full && !case.redirected,
        Counter::Express => {
            let method = decision.express.map(|(method, _)| method);
            !case.unsettled
                && !case.at_bridge
                && !case.redirected
                && case.express(decision.egress) == method
        }
        Counter::NoMeta => false,
    };
    prop_assert!(right, "{:?}, but the bridge: {:?}", decision, fate);
    if case.outdated {
        // The locks hold; no table is acted on.
        use Counter::{Express, RxShare, Shed, Steered};
        prop_assert!(!matches!(decision.outcome, Express | Steered | Shed | RxShare));
        return Ok(());
    }
    let routed = matches!(
        decision.outcome,
        Counter::Shed | Counter::PassedFallback | Counter::DroppedFallback | Counter::RxShare
    );
    let known = matches!(decision.outcome, Counter::Steered | Counter::Express);
    if routed || decision.outcome == Counter::Steered {
        let express = case.express(if let Fate::Sent(to, _) = fate { *to } else { ELSEWHERE });
        let under_way = case.unsettled || case.at_bridge;
        prop_assert!(under_way || express.is_none(), "nothing kept it from the express lane");
    }
    if routed || known {
        prop_assert!(matches!(fate, Fate::Sent(..)), "the bridge: {:?}", fate);
        prop_assert!(!learned, "the bridge would have learned the source");
    }
    if !known {
        return Ok(());
    }
    let bytes = split(&case.wire).1;
    let leaves = with_tag(&bytes, decision.tag);
    prop_assert_eq!(fate, &Fate::Sent(decision.egress, leaves.clone()));
    prop_assert!(
        case.flags[PORTS.iter().position(|p| *p == decision.egress).unwrap()] & g::OFFLOAD != 0
    );
    if decision.outcome == Counter::Express {
        let ifindex = 1000 + u32::from(decision.egress);
        prop_assert_eq!(decision.express.map(|(_, ifindex)| ifindex), Some(ifindex));
        return Ok(());
    }
    // And the verdict is the parser's of just those bytes.
    let mut v = decision.verdict;
    prop_assert_eq!(v.is(f::GSO | f::CSUM_PARTIAL), case.gso.is_some());
    prop_assert_eq!(v.is(f::AT_BRIDGE), case.at_bridge);
    v.flags &= !(f::GSO | f::CSUM_PARTIAL | f::AT_BRIDGE);
    prop_assert_eq!(Ok(v), classify(&leaves[..]));
    Ok(())
}

#[test]
fn what_is_steered_leaves_as_the_bridge_would_have_sent_it() {
    const CASES: u32 = 20_000;
    let counts = [const { Cell::new(0_u32) }; Counter::COUNT];
    let tagged = Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&case(), |case| {
        let mut bridge = case.bridge.clone();
        let fate = bridge.receive(IN, &case.wire);
        let learned = bridge.stations != case.bridge.stations;
        let world = case.world();
        let decision = decided(&world, &case.shot());
        let count = &counts[decision.outcome as usize];
        count.set(count.get() + 1);
        tagged.set(
            tagged.get() + u32::from(decision.outcome == Counter::Steered && case.bridge.filters),
        );
        check(&case, &decision, &fate, learned)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // The cases are worth something: each outcome comes up, and often what matters most.
    for counter in Counter::all() {
        let impossible = counter == Counter::NoMeta;
        assert_eq!(counts[counter as usize].get() == 0, impossible, "{}", counter.name());
    }
    let steered = counts[Counter::Steered as usize].get();
    assert!(steered > CASES / 20 && tagged.get() > CASES / 60, "{steered} {tagged:?}");
}
