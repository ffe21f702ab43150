//! The decision against a Linux bridge, over bridges, tables and frames made at random: what is
//! steered leaves as the bridge would have sent it, and nothing is dropped without its reason.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use weir_abi::table::ELSEWHERE;
use weir_abi::{Bytes as _, Malformed, Method, classify, ethernet, meta_flags as f, parse};

use super::bridge::{Fate, Mac, Station, split};
use super::cases::{Case, PORTS, case};
use super::world::with_tag;
use super::*;

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
