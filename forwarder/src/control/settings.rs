//! What weir changes on the interfaces it takes, and how that is undone. Invariant: every change
//! is recorded before it is made ([`state`](super::state)) and put back exactly, by whichever run
//! of weir comes to it; nothing but the settings listed in [`Wanted`] is ever touched.

pub(crate) mod offload;
pub mod qdisc;

use std::io;
use std::path::Path;

use nix::libc;
use nix::net::if_::if_nametoindex;

use self::offload::Target;
use super::links::{GuardError, Link, LinkKind, Peer, refuse_default_route};
use super::netlink::{Netlink, Request};
use super::netns::{self, Netns, NetnsId};
use super::state::{Before, Change, StateError, StateFile};

/// Merges what arrives, and gives a veth the NAPI without which frames that XDP redirects into it
/// vanish, and others pass through the core's one short backlog (DESIGN 3.4).
pub const GRO: &str = "rx-gro";
/// While on, a veth hands a VLAN tag over beside the frame, where an XDP program cannot see it.
pub const VLAN_INSERT: [&str; 2] = ["tx-vlan-hw-insert", "tx-vlan-stag-hw-insert"];
/// While on, a NIC takes the VLAN tag out of the frame.
pub const VLAN_PARSE: [&str; 2] = ["rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"];

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    Refused(#[from] GuardError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot {action} on `{name}`: {error}")]
    Kernel { action: String, name: String, error: io::Error },
}

/// Which settings a port shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// A qdisc, so that a full ring pushes back instead of dropping.
    pub qdisc: bool,
    /// GRO at this end.
    pub gro: bool,
    /// Tags left in the frame by the NIC.
    pub vlan_in_frame: bool,
    /// GRO, and tags in the frame, at a veth's other end.
    pub peer: bool,
}

impl Wanted {
    pub fn for_link(link: &Link) -> Self {
        let veth = link.kind == LinkKind::Veth;
        Self {
            qdisc: matches!(link.kind, LinkKind::Veth | LinkKind::Tap),
            gro: veth,
            vlan_in_frame: link.kind == LinkKind::Physical,
            peer: veth,
        }
    }
}

/// Something that could not be set, and what the operator can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub text: String,
    pub fix: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What was changed, one line each.
    pub changed: Vec<String>,
    pub warnings: Vec<Warning>,
}

/// Changes settings and puts them back. All of it blocks, for milliseconds.
#[derive(Debug)]
pub struct HostSettings {
    state: StateFile,
    own: NetnsId,
}

impl HostSettings {
    /// `control` is the path of the control socket; the record lies beside it. What an earlier
    /// run left there is taken over: it is put back when this run ends.
    pub fn open(control: &Path) -> Result<Self, SettingsError> {
        let own = NetnsId::of_this_thread().map_err(|error| SettingsError::Kernel {
            action: "identify the network namespace".to_owned(),
            name: "self".to_owned(),
            error,
        })?;
        let mut settings = Self { state: StateFile::open(control)?, own };
        settings.drop_stale()?;
        Ok(settings)
    }

    /// The changes that stand to be undone.
    pub fn pending(&self) -> &[Change] {
        self.state.changes()
    }

    /// Gives a port the settings it needs, or, when that fails, leaves it as it was.
    pub fn apply(
        &mut self,
        link: &Link,
        wanted: Wanted,
        force: bool,
    ) -> Result<Applied, SettingsError> {
        refuse_default_route(link, force)?;
        self.change(link, wanted).inspect_err(|_| {
            for error in self.restore_port(link.ifindex) {
                tracing::error!(name = %link.name, %error, "a setting could not be put back");
            }
        })
    }

    fn change(&mut self, link: &Link, wanted: Wanted) -> Result<Applied, SettingsError> {
        let mut applied = Applied::default();
        if wanted.qdisc {
            self.add_qdisc(link, &mut applied)?;
        }
        let mut features: Vec<(&str, bool)> = Vec::new();
        features.extend(wanted.gro.then_some((GRO, true)));
        if wanted.vlan_in_frame {
            features.extend(VLAN_PARSE.map(|feature| (feature, false)));
        }
        let here = Target {
            netns: self.own,
            ifindex: link.ifindex,
            name: link.name.clone(),
            port: link.ifindex,
            prefix: String::new(),
        };
        here.switch(&features, &mut self.state, &mut applied)?;
        if let Some(peer) = link.peer
            && wanted.peer
        {
            self.prepare_peer(link, peer, &mut applied)?;
        }
        Ok(applied)
    }

    /// Puts back what was changed on account of one port.
    pub fn restore_port(&mut self, ifindex: u32) -> Vec<SettingsError> {
        let own = self.own;
        self.restore(|change| {
            change.port == ifindex || (change.netns, change.ifindex) == (own, ifindex)
        })
    }

    /// Puts everything back. What failed stays recorded, for another attempt.
    pub fn restore_all(&mut self) -> Vec<SettingsError> {
        self.restore(|_| true)
    }

    /// Keeps the record right when an interface is renamed while it is a port.
    pub fn renamed(&mut self, ifindex: u32, name: &str) -> Result<(), SettingsError> {
        Ok(self.state.rename(self.own, ifindex, name)?)
    }

    /// Forgets what concerned interfaces that do not exist any more.
    pub fn drop_stale(&mut self) -> Result<(), SettingsError> {
        let own = self.own;
        let gone: Vec<Change> = self
            .state
            .changes()
            .iter()
            .filter(|change| match Place::of(change, own) {
                Place::Here => !exists(change),
                Place::There(netns) => !netns.enter(|| exists(change)).unwrap_or(true),
                Place::Gone => true,
            })
            .cloned()
            .collect();
        Ok(self.state.forget(|change| gone.contains(change))?)
    }

    fn add_qdisc(&mut self, link: &Link, applied: &mut Applied) -> Result<(), SettingsError> {
        let failed = |error| SettingsError::Kernel {
            action: "add a qdisc".to_owned(),
            name: link.name.clone(),
            error,
        };
        let mut netlink = Netlink::open().map_err(failed)?;
        let Some(root) = qdisc::root(&mut netlink, link.ifindex).map_err(failed)? else {
            return Ok(());
        };
        if !root.is_none() && !root.is_ours() {
            return Ok(());
        }
        let tx_queue_len = qdisc::tx_queue_len(&mut netlink, link.ifindex).map_err(failed)?;
        // One that is ours already comes from a run whose record was lost: still ours to remove.
        self.state.record(Change {
            netns: self.own,
            ifindex: link.ifindex,
            name: link.name.clone(),
            port: link.ifindex,
            before: Before::NoQdisc { tx_queue_len },
        })?;
        if root.is_none() {
            qdisc::add(&mut netlink, link.ifindex).map_err(failed)?;
            applied.changed.push(format!("{}: qdisc pfifo instead of none", link.name));
        }
        Ok(())
    }

    fn prepare_peer(
        &mut self,
        link: &Link,
        peer: Peer,
        applied: &mut Applied,
    ) -> Result<(), SettingsError> {
        let mut features = vec![(GRO, true)];
        features.extend(VLAN_INSERT.map(|feature| (feature, false)));
        match find_peer(link, peer) {
            Ok(FoundPeer { name, netns }) => {
                let prefix = netns.as_ref().map(Netns::command_prefix).unwrap_or_default();
                let target = Target {
                    netns: netns.as_ref().map_or(self.own, |netns| netns.id),
                    ifindex: peer.ifindex,
                    name,
                    port: link.ifindex,
                    prefix,
                };
                let state = &mut self.state;
                match netns {
                    None => target.switch(&features, state, applied)?,
                    Some(netns) => netns
                        .enter(|| target.switch(&features, state, applied))
                        .map_err(|error| SettingsError::Kernel {
                            action: "enter the network namespace of the peer".to_owned(),
                            name: link.name.clone(),
                            error,
                        })??,
                }
            }
            Err(reason) => applied.warnings.push(Warning {
                text: format!(
                    "the other end of {} cannot be reached ({reason}): if VLAN tags travel beside \
                     its frames they are lost, and without GRO it drops above 1000 waiting frames",
                    link.name
                ),
                fix: format!("inside the guest: {}", peer_command("", "DEV")),
            }),
        }
        Ok(())
    }

    fn restore(&mut self, concerned: impl Fn(&Change) -> bool) -> Vec<SettingsError> {
        let own = self.own;
        let mut problems = Vec::new();
        let mut done = Vec::new();
        // Backwards, as one setting may have switched another along.
        for change in self.state.changes().iter().rev().filter(|change| concerned(change)) {
            let result = match Place::of(change, own) {
                Place::Here => put_back(change),
                Place::There(netns) => netns.enter(|| put_back(change)).unwrap_or_else(Err),
                Place::Gone => Ok(()),
            };
            match result {
                Ok(()) => done.push(change.clone()),
                Err(error) => problems.push(SettingsError::Kernel {
                    action: match &change.before {
                        Before::Feature { feature, .. } => format!("put {feature} back"),
                        Before::NoQdisc { .. } => "remove the qdisc".to_owned(),
                    },
                    name: change.name.clone(),
                    error,
                }),
            }
        }
        if let Err(error) = self.state.forget(|change| done.contains(change)) {
            problems.push(error.into());
        }
        problems
    }
}

/// The line that prepares a veth's other end by hand.
pub fn peer_command(prefix: &str, name: &str) -> String {
    let space = if prefix.is_empty() { "" } else { " " };
    format!("{prefix}{space}ethtool -K {name} gro on txvlan off")
}

/// Where the interface of a change is now.
enum Place {
    Here,
    There(Netns),
    Gone,
}

impl Place {
    fn of(change: &Change, own: NetnsId) -> Self {
        if change.netns == own {
            return Self::Here;
        }
        netns::by_identity(change.netns).map_or(Self::Gone, Self::There)
    }
}

/// Whether the interface is still the one that was changed, in this thread's namespace.
fn exists(change: &Change) -> bool {
    if_nametoindex(change.name.as_str()).is_ok_and(|index| index == change.ifindex)
}

/// Undoes one change, in this thread's namespace.
fn put_back(change: &Change) -> io::Result<()> {
    if !exists(change) {
        return Ok(());
    }
    match &change.before {
        Before::Feature { feature, on } => {
            weir_port::ethtool::set_feature(&change.name, feature, *on)
        }
        Before::NoQdisc { tx_queue_len } => {
            let mut netlink = Netlink::open()?;
            // Replaced by the operator meanwhile: theirs stays.
            if qdisc::root(&mut netlink, change.ifindex)?.is_some_and(|root| root.is_ours()) {
                qdisc::remove(&mut netlink, change.ifindex)?;
                if qdisc::tx_queue_len(&mut netlink, change.ifindex)? != *tx_queue_len {
                    qdisc::set_tx_queue_len(&mut netlink, change.ifindex, *tx_queue_len)?;
                }
            }
            Ok(())
        }
    }
}

/// A veth's other end.
#[derive(Debug)]
pub struct FoundPeer {
    pub name: String,
    /// `None`: in this namespace.
    pub netns: Option<Netns>,
}

/// Looks for the other end of a veth; the reason, if it cannot be reached.
pub fn find_peer(link: &Link, peer: Peer) -> Result<FoundPeer, String> {
    let Some(netns_id) = peer.netns_id else {
        return Ok(FoundPeer { name: peer_name(link, peer)?, netns: None });
    };
    let mut netlink = Netlink::open().map_err(|error| error.to_string())?;
    let netns = netns::by_netns_id(&mut netlink, netns_id)
        .ok_or_else(|| format!("no process and no file shows its network namespace {netns_id}"))?;
    let name = netns
        .enter(|| peer_name(link, peer))
        .map_err(|error| format!("cannot enter {}: {error}", netns.path.display()))??;
    Ok(FoundPeer { name, netns: Some(netns) })
}

/// The peer's name, after making sure that it is the other end of `link`.
fn peer_name(link: &Link, peer: Peer) -> Result<String, String> {
    let read = || Netlink::open()?.call(&Request::about_link(libc::RTM_GETLINK, peer.ifindex));
    let answers = read().map_err(|error| format!("no interface {}: {error}", peer.ifindex))?;
    let found = answers.iter().find_map(|(_, payload)| super::links::decode_link(payload));
    match found {
        Some(other) if other.peer.is_some_and(|back| back.ifindex == link.ifindex) => {
            Ok(other.name)
        }
        _ => Err(format!("interface {} is not its other end", peer.ifindex)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::links::testing::link;
    use super::*;

    #[test]
    fn each_kind_gets_what_it_needs() {
        let veth = Wanted::for_link(&link(1, "v1", LinkKind::Veth));
        assert!(veth.qdisc && veth.gro && veth.peer && !veth.vlan_in_frame);
        let tap = Wanted::for_link(&link(1, "t1", LinkKind::Tap));
        assert!(tap.qdisc && !tap.gro && !tap.peer && !tap.vlan_in_frame);
        let nic = Wanted::for_link(&link(1, "n1", LinkKind::Physical));
        assert!(!nic.qdisc && !nic.gro && !nic.peer && nic.vlan_in_frame);
    }

    #[test]
    fn the_line_to_type() {
        let line = peer_command("ip netns exec vm1", "eth0");
        assert_eq!(line, "ip netns exec vm1 ethtool -K eth0 gro on txvlan off");
        assert_eq!(peer_command("", "eth0"), "ethtool -K eth0 gro on txvlan off");
    }

    #[test]
    fn default_routes_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = HostSettings::open(&dir.path().join("weir.sock")).unwrap();
        let mut nic = link(u32::MAX, "weirtest-none", LinkKind::Physical);
        nic.default_route_v6 = true;
        let wanted = Wanted::for_link(&nic);
        let error = settings.apply(&nic, wanted, false).unwrap_err();
        assert!(matches!(error, SettingsError::Refused(GuardError::DefaultRoute { .. })));
        assert!(settings.pending().is_empty());
    }
}
