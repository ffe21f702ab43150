//! Shared by the tests of the gate: the gate's data about a port, ports whose frames are steered,
//! counts of frames passed to the bridge, and marked frames that are counted at their receiver.
//!
//! Invariant: nothing here judges by time; effects that take their own time are waited for.

use crate::bed::{BRIDGE, Family, GUEST_IF};
use crate::ledger;
use crate::observer::Observer;
use crate::traffic::ping;
use crate::traffic::raw::{self, RawSocket};
use crate::wait::wait_ok;
use crate::{Bed, BedSpec, Guest, Weir, WeirSpec};
use anyhow::{Context, Result, bail, ensure};
use aya::maps::{Array, Map, MapData, MapInfo};
use aya::programs::{SchedClassifier, TcAttachType};
use std::time::Duration;
use weir_abi::{GatePort, maps};

pub const SOON: Duration = Duration::from_secs(10);

/// An EtherType for local experiments, so that no other frames are counted.
pub const OURS: u16 = 0x88b5;
/// The bytes behind the addresses of a marked frame without a tag.
pub const MARK: [u8; 4] = [0x88, 0xb5, 0xab, 0xcd];

/// Starts weir on the bed's bridge, with every port at the gate.
pub fn start(bed: &Bed) -> Result<Weir> {
    start_with(bed, &WeirSpec::bridge())
}

pub fn start_with(bed: &Bed, spec: &WeirSpec) -> Result<Weir> {
    let weir = Weir::start(bed, spec)?;
    for port in bed.ports() {
        weir.wait_port(&port, &["up"])?;
    }
    Ok(weir)
}

/// Whether this kernel's bridges can filter VLANs.
pub fn filters_vlans() -> Result<bool> {
    let bed = BedSpec::vms(0).bridge().build()?;
    Ok(bed.host.ip(&format!("link set dev {BRIDGE} type bridge vlan_filtering 1")).is_ok())
}

pub const NO_VLANS: &str = "this kernel's bridge has no VLAN filtering";

/// The gate's entry of a port, as it is in the kernel.
pub fn told(bed: &Bed, port: &str) -> Result<GatePort> {
    let ifindex = bed.host.ifindex(port)?;
    let (_, programs) =
        bed.host.run(|| Ok(SchedClassifier::query_tcx(port, TcAttachType::Ingress)?))?;
    let gate = programs.first().with_context(|| format!("no program at {port}"))?;
    let of_gate = gate.map_ids()?.unwrap_or_default();
    let ports = of_gate.into_iter().find(|id| {
        MapInfo::from_id(*id).is_ok_and(|map| map.name_as_str() == Some(maps::GATE_PORTS))
    });
    let ports = MapData::from_id(ports.context("the program has no ports")?)?;
    let ports: Array<_, [u64; GatePort::WORDS]> = Array::try_from(Map::Array(ports))?;
    for words in ports.iter() {
        let told = GatePort::of_words(words?);
        if told.ifindex() == ifindex {
            return Ok(told);
        }
    }
    bail!("the gate is told nothing of {port}")
}

/// Frames of a port that the gate steered to a worker and the worker received.
pub fn steered(weir: &Weir, port: &str) -> Result<u64> {
    Ok(ledger::number(&weir.stats()?, port, |port| port.rx.frames))
}

/// Frames of a port that were left to the bridge.
pub fn passed(weir: &Weir, port: &str) -> Result<u64> {
    Ok(ledger::number(&weir.stats()?, port, |port| port.passed.frames))
}

/// Waits until the gate knows two guests and steers their echoes to a worker, both ways.
pub fn wait_steered(weir: &Weir, one: &Guest, two: &Guest) -> Result<()> {
    let what = format!("frames between {} and {} to be steered", one.port, two.port);
    wait_both(weir, one, two, &what, steered)
}

/// Waits until an echo between two guests counts at the ports of both.
fn wait_both(
    weir: &Weir,
    one: &Guest,
    two: &Guest,
    what: &str,
    of: fn(&Weir, &str) -> Result<u64>,
) -> Result<()> {
    wait_ok(SOON, what, || {
        let before = (of(weir, &one.port)?, of(weir, &two.port)?);
        ping(&one.ns, two.addr(Family::V4), 1)?;
        let after = (of(weir, &one.port)?, of(weir, &two.port)?);
        ensure!(after.0 > before.0 && after.1 > before.1, "{before:?} before, {after:?} after");
        Ok(())
    })
}

/// Waits until the gate knows every guest's address: from then on no unicast frame goes by the bridge.
pub fn acquaint(weir: &Weir, bed: &Bed) -> Result<()> {
    bed.guests.iter().try_for_each(|guest| wait_steered(weir, guest, &bed.uplink))
}

/// A frame with the mark, and with these tags (TPID, TCI).
pub fn marked(from: [u8; 6], to: [u8; 6], tags: &[(u16, u16)]) -> Vec<u8> {
    raw::frame(to, from, tags, OURS, &MARK[2..])
}

/// Sends a frame `count` times, from a guest's interface.
pub fn send(from: &Guest, frame: &[u8], count: usize) -> Result<()> {
    let socket = RawSocket::open(from)?;
    (0..count).try_for_each(|_| socket.send(frame))
}

/// Marked frames, each sent once.
#[derive(Debug, Clone, Copy)]
pub struct Marked<'a> {
    pub from: &'a Guest,
    pub frame: &'a [u8],
    /// The bytes behind the addresses at the receiver.
    pub seen: Seen,
}

/// Four bytes, and their offset.
#[derive(Debug, Clone, Copy)]
pub struct Seen(pub u8, pub [u8; 4]);

/// A marked frame without a tag.
pub const PLAIN: Seen = Seen(12, MARK);

impl Marked<'_> {
    /// Sends ten, and asserts that each arrives once at all of `there`, and none at any of `not_there`.
    pub fn reach(&self, weir: &Weir, there: &[&Guest], not_there: &[&Guest]) -> Result<()> {
        const COUNT: u64 = 10;
        let watch = |to: &&Guest| Observer::matching(to, self.seen.0, self.seen.1);
        let wanted: Vec<Observer> = there.iter().map(watch).collect::<Result<_>>()?;
        let unwanted: Vec<Observer> = not_there.iter().map(watch).collect::<Result<_>>()?;
        send(self.from, self.frame, COUNT as usize)?;
        for (observer, to) in wanted.iter().zip(there) {
            let what = format!("frames of {} at {}", self.from.port, to.port);
            observer.wait_exactly(COUNT, &what)?;
        }
        if !unwanted.is_empty() {
            // Nothing announces the absence of frames; once the ledger balances, nothing is under way.
            weir.assert_ledger()?;
        }
        for (observer, to) in unwanted.iter().zip(not_there) {
            let came = observer.total()?;
            ensure!(came == 0, "{came} frames of {} came to {}", self.from.port, to.port);
        }
        Ok(())
    }
}

/// Frames of a port that the gate has handed over itself.
pub fn express(weir: &Weir, port: &str) -> Result<u64> {
    Ok(ledger::number(&weir.stats()?, port, |port| port.lanes.express.frames))
}

/// Waits until the gate has handed over this many more frames of a guest.
pub fn goes_on_by_gate(weir: &Weir, from: &Guest, frames: u64) -> Result<()> {
    let before = express(weir, &from.port)?;
    wait_ok(SOON, "the flow at the new gate", || {
        let now = express(weir, &from.port)?;
        ensure!(now > before + frames, "{before} before, {now} now");
        Ok(())
    })
}

/// Waits until the gate hands over the frames between two guests itself.
pub fn wait_express(weir: &Weir, one: &Guest, two: &Guest) -> Result<()> {
    let what = format!("{} and {} by the express lane", one.port, two.port);
    wait_both(weir, one, two, &what, express)
}

/// Makes a bridge inside the guest, and behind it a device that lets next to nothing through.
pub fn hold(guest: &Guest) -> Result<()> {
    let ns = &guest.ns;
    for line in [
        "link add hb type bridge mcast_snooping 0",
        "link add h0 type veth peer name h1",
        "link set hb addrgenmode none up",
        "link set h0 addrgenmode none master hb up",
        "link set h1 addrgenmode none up",
    ] {
        ns.ip(line)?;
    }
    ns.ip(&format!("address flush dev {GUEST_IF}"))?;
    ns.ip(&format!("link set {GUEST_IF} master hb"))?;
    ns.tc("qdisc add dev h0 root tbf rate 8kbit burst 1600 limit 500mb").map(drop)
}
