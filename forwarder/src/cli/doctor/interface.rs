//! One interface as a port: what weir will find there, and what stands in its way.

use super::finding::{Level, Report};
use super::leftovers::Weir;
use crate::control::attach::occupant;
use crate::control::links::{Link, LinkKind, Peer, Snapshot};
use crate::control::netns::Netns;
use crate::control::settings::qdisc::Root;
use crate::control::settings::{FoundPeer, GRO, VLAN_INSERT, VLAN_PARSE, find_peer, peer_command};

const MAX_QUEUES: u32 = weir_abi::MAX_QUEUES;
const TSO: [&str; 2] = ["tx-tcp-segmentation", "tx-tcp6-segmentation"];
const LRO: &str = "rx-lro";

/// What an interface is judged by, besides itself.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) root: Option<&'a Root>,
    pub(super) weir: &'a Weir,
    pub(super) asked_for: bool,
}

pub(super) fn examine(case: &Case<'_>, link: &Link, report: &mut Report) {
    report.section(&link.name);
    device(link, report);
    bridge(case, link, report);
    xdp(case, link, report);
    let features = weir_port::ethtool::features(&link.name).unwrap_or_default();
    offloads(link, &Features(&features), report);
    queueing(case, link, report);
    if let Some(peer) = link.peer {
        other_end(link, peer, report);
    }
}

/// An interface's offloads by name.
struct Features<'a>(&'a [(String, bool)]);

impl Features<'_> {
    fn is(&self, feature: &str, on: bool) -> bool {
        self.0.iter().any(|(name, now)| name == feature && *now == on)
    }
}

fn device(link: &Link, report: &mut Report) {
    let mut text = link.kind.to_string();
    if let Some(driver) = link.driver.as_ref().filter(|driver| **driver != text) {
        text += &format!(", driver {driver}");
    }
    text += &format!(", MTU {}, {} rx and {} tx", link.mtu, link.rx_queues, link.tx_queues);
    text += if link.rx_queues.max(link.tx_queues) == 1 { " queue" } else { " queues" };
    if let Some(speed) = link.speed_mbit.filter(|_| link.kind == LinkKind::Physical) {
        text += &format!(", {speed} Mb/s");
    }
    match (link.up, link.carrier) {
        (true, true) => report.add(Level::Ok, "device", text),
        (true, false) => report.add(Level::Note, "device", text + "; nobody is at the other end"),
        (false, _) => report.with_fix(
            Level::Note,
            "device",
            text + "; down",
            format!("ip link set dev {} up", link.name),
        ),
    }
    if link.rx_queues > MAX_QUEUES {
        report.with_fix(
            Level::Warn,
            "queues",
            format!("frames beyond queue {} take the kernel's path", MAX_QUEUES - 1),
            format!("ethtool -L {} combined {MAX_QUEUES}", link.name),
        );
    }
}

fn bridge(case: &Case<'_>, link: &Link, report: &mut Report) {
    let Some(bridge) = link.bridge().and_then(|bridge| case.snapshot.get(bridge)) else {
        let text = "in none: if weir is killed, nothing carries its traffic";
        if link.addresses.is_empty() && !link.is_default_route() {
            let fix = format!("ip link set dev {} master BRIDGE", link.name);
            report.with_fix(Level::Note, "bridge", text, fix);
        } else {
            // That line alone would cut the host off.
            let text = format!("{text}; a bridge would have to take over its addresses and routes");
            report.add(Level::Note, "bridge", text);
        }
        return;
    };
    let text = format!("in {}, which carries the traffic when weir does not", bridge.name);
    report.add(Level::Ok, "bridge", text);
    let smallest = case.snapshot.ports_of(bridge.ifindex).min_by_key(|port| port.mtu);
    if let Some(smallest) = smallest.filter(|smallest| smallest.mtu < link.mtu) {
        report.with_fix(
            Level::Note,
            "mtu",
            format!(
                "frames above {} bytes cannot leave by {}: lost as mtu_exceeded",
                smallest.mtu, smallest.name
            ),
            format!("ip link set dev {} mtu {}, and in the guest", link.name, smallest.mtu),
        );
    }
}

fn xdp(case: &Case<'_>, link: &Link, report: &mut Report) {
    match weir_port::probe::xdp_query(link.ifindex) {
        Ok(can) => {
            let text = match (can.native(), can.multi_buffer()) {
                (true, true) => "mode native is possible, with long frames",
                (true, false) => "mode native is possible, without long frames",
                (false, _) => "the driver has no XDP: mode native is not possible",
            };
            report.add(Level::Ok, "xdp", text);
        }
        Err(error) => {
            let text = format!("the kernel does not tell what the driver can: {error}");
            report.add(Level::Note, "xdp", text);
        }
    }
    if link.xdp.program().is_none() {
        return;
    }
    let Some(occupant) = occupant(link.ifindex, &link.name) else { return };
    if occupant.is_weir() && case.weir.alive {
        let text = format!("weir's, id {}, {}", occupant.program_id, occupant.mode);
        report.add(Level::Ok, "program", text);
    } else {
        let level = if case.asked_for { Level::Fail } else { Level::Warn };
        let fix = occupant.fix();
        let text = format!("another XDP program is in the way: {}", occupant.summary());
        report.with_fix(level, "program", text, fix);
    }
}

fn offloads(link: &Link, features: &Features<'_>, report: &mut Report) {
    let mut fine = true;
    if TSO.iter().any(|tso| features.is(tso, false)) {
        fine = false;
        report.with_fix(
            Level::Note,
            "tso",
            "off, or for one IP version only: superframes are cut before they leave here",
            format!("ethtool -K {} tso on", link.name),
        );
    }
    if features.is(LRO, true) {
        fine = false;
        report.with_fix(
            Level::Warn,
            "lro",
            "on: what it merges cannot be sent on unchanged, and drivers refuse XDP beside it",
            format!("ethtool -K {} lro off", link.name),
        );
    }
    if link.kind == LinkKind::Physical && VLAN_PARSE.iter().any(|parse| features.is(parse, true)) {
        fine = false;
        report.add(
            Level::Note,
            "vlan",
            "tags are taken out of the frames; weir switches that off while it runs",
        );
    }
    if link.kind == LinkKind::Veth && features.is(GRO, false) {
        fine = false;
        report.add(
            Level::Note,
            "gro",
            "off: frames that XDP redirects here vanish; weir switches it on while it runs",
        );
    }
    if fine {
        report.add(Level::Ok, "offloads", "as they should be");
    }
}

fn queueing(case: &Case<'_>, link: &Link, report: &mut Report) {
    let recorded = case.weir.changes.iter().any(|change| change.ifindex == link.ifindex);
    match case.root {
        Some(root) if root.is_ours() && case.weir.alive => {
            report.add(Level::Ok, "qdisc", "weir's pfifo");
        }
        Some(root) if root.is_ours() => {
            let text = if recorded {
                "pfifo 7765:, left by a weir that was killed; the next one removes it"
            } else {
                "pfifo 7765:, left by a weir whose record is lost"
            };
            let fix = format!("tc qdisc del dev {} root", link.name);
            report.with_fix(Level::Warn, "qdisc", text, fix);
        }
        Some(root) if root.is_none() && matches!(link.kind, LinkKind::Veth | LinkKind::Tap) => {
            report.add(
                Level::Note,
                "qdisc",
                "none, so a full ring drops; weir adds a pfifo while it runs",
            );
        }
        Some(root) => report.add(Level::Ok, "qdisc", root.kind.clone()),
        None => report.add(Level::Ok, "qdisc", link.qdisc.clone()),
    }
}

fn other_end(link: &Link, peer: Peer, report: &mut Report) {
    let found = match find_peer(link, peer) {
        Ok(found) => found,
        Err(reason) => {
            let text = format!(
                "cannot be reached ({reason}): without GRO it drops above 1000 waiting frames, and \
                 VLAN tags beside its frames are lost"
            );
            let fix = format!("in the guest: {}", peer_command("", "DEV"));
            report.with_fix(Level::Warn, "peer", text, fix);
            return;
        }
    };
    let prefix = found.netns.as_ref().map(Netns::command_prefix).unwrap_or_default();
    let place = match &found.netns {
        None => found.name.clone(),
        Some(netns) => format!("{} in {}", found.name, netns.path.display()),
    };
    match peer_features(&found) {
        Ok(features) => {
            let features = Features(&features);
            let mut wrong = Vec::new();
            if features.is(GRO, false) {
                wrong.push("GRO off, so it has no NAPI and drops above 1000 waiting frames");
            }
            if VLAN_INSERT.iter().any(|insert| features.is(insert, true)) {
                wrong.push("VLAN tags beside the frame, where XDP cannot see them");
            }
            if wrong.is_empty() {
                report.add(Level::Ok, "peer", place);
            } else {
                let text =
                    format!("{place}: {}; weir changes that while it runs", wrong.join(", "));
                report.with_fix(Level::Note, "peer", text, peer_command(&prefix, &found.name));
            }
        }
        Err(error) => {
            let text = format!("{place}: its offloads cannot be read: {error}");
            report.with_fix(Level::Warn, "peer", text, peer_command(&prefix, &found.name));
        }
    }
}

fn peer_features(peer: &FoundPeer) -> std::io::Result<Vec<(String, bool)>> {
    match &peer.netns {
        None => weir_port::ethtool::features(&peer.name),
        Some(netns) => netns.enter(|| weir_port::ethtool::features(&peer.name))?,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::links::testing::{link, member, snapshot};
    use crate::control::settings::qdisc::HANDLE;

    fn levels(report: &Report, check: &str) -> Vec<Level> {
        let found = report.findings().iter().filter(|finding| finding.check == check);
        found.map(|finding| finding.level).collect()
    }

    #[test]
    fn our_qdisc_is_a_leftover_unless_weir_lives() {
        let v1 = link(5, "v1", LinkKind::Veth);
        let snapshot = snapshot([v1.clone()]);
        let root = Root { kind: "pfifo".into(), handle: HANDLE };
        let judge = |root, alive| {
            let weir = Weir { alive, changes: Vec::new() };
            let case = Case { snapshot: &snapshot, root, weir: &weir, asked_for: true };
            let mut report = Report::default();
            queueing(&case, &v1, &mut report);
            levels(&report, "qdisc")
        };
        assert_eq!(judge(Some(&root), true), [Level::Ok]);
        assert_eq!(judge(Some(&root), false), [Level::Warn]);
        let none = Root { kind: "noqueue".into(), handle: 0 };
        assert_eq!(judge(Some(&none), false), [Level::Note]);
        let htb = Root { kind: "htb".into(), handle: 0x1_0000 };
        assert_eq!(judge(Some(&htb), false), [Level::Ok]);
    }

    #[test]
    fn a_smaller_mtu_beside_it_is_noted() {
        let mut big = member(link(5, "v1", LinkKind::Veth), 3);
        big.mtu = 9000;
        let small = member(link(6, "v2", LinkKind::Veth), 3);
        let snapshot = snapshot([link(3, "br0", LinkKind::Bridge), big.clone(), small.clone()]);
        let weir = Weir::default();
        let case = Case { snapshot: &snapshot, root: None, weir: &weir, asked_for: true };
        let mut report = Report::default();
        bridge(&case, &big, &mut report);
        assert_eq!(levels(&report, "mtu"), [Level::Note]);
        assert!(report.findings()[1].text.contains("above 1500 bytes"));
        let mut report = Report::default();
        bridge(&case, &small, &mut report);
        assert_eq!(levels(&report, "mtu"), []);
    }

    #[test]
    fn offloads_are_judged_by_the_kind_of_device() {
        let features = |list: &[(&str, bool)]| {
            list.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect()
        };
        let bad: Vec<_> =
            features(&[(GRO, false), (LRO, true), (VLAN_PARSE[0], true), (TSO[0], false)]);
        let judge = |kind, known: &[(String, bool)]| {
            let mut report = Report::default();
            offloads(&link(1, "x", kind), &Features(known), &mut report);
            report.findings().iter().map(|finding| finding.check).collect::<Vec<_>>()
        };
        assert_eq!(judge(LinkKind::Physical, &bad), ["tso", "lro", "vlan"]);
        assert_eq!(judge(LinkKind::Veth, &bad), ["tso", "lro", "gro"]);
        assert_eq!(judge(LinkKind::Tap, &[]), ["offloads"]);
    }
}
