//! Changes the host settings that a port in `mode = "native"` needs, and undoes them: a NIC's driver,
//! and a veth's other end, must leave VLAN tags in the frames, where an XDP program sees them. Ports at
//! the gate need nothing.
//!
//! Invariant: every change is recorded before it is made ([`state`](super::state)) and restored
//! exactly. Leftover changes of an earlier run, of this version or another, are undone before anything
//! is served.

mod offload;
mod undo;

use std::io;
use std::path::Path;

use self::offload::Target;
use super::links::{Link, LinkKind, Peer, read_link_at};
use super::netlink::Netlink;
use super::netns::{self, Netns, NetnsId};
use super::state::{Change, StateError, StateFile};

/// While on, a veth hands a VLAN tag over beside the frame, where an XDP program cannot see it.
const VLAN_INSERT: [&str; 2] = ["tx-vlan-hw-insert", "tx-vlan-stag-hw-insert"];
/// While on, a NIC takes the VLAN tag out of the frame.
const VLAN_PARSE: [&str; 2] = ["rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"];

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot {action} on `{name}`: {error}")]
    Kernel { action: String, name: String, error: io::Error },
}

/// Changes settings and restores them. All calls block for milliseconds.
#[derive(Debug)]
pub struct HostSettings {
    state: StateFile,
    own: NetnsId,
}

impl HostSettings {
    /// `control` is the path of the control socket; the record lies beside it. Leftover changes of an
    /// earlier run are undone, with a line in the log for each.
    pub fn open(control: &Path) -> Result<Self, SettingsError> {
        let own = NetnsId::of_this_thread().map_err(|error| SettingsError::Kernel {
            action: "identify the network namespace".to_owned(),
            name: "self".to_owned(),
            error,
        })?;
        let mut settings = Self { state: StateFile::open(control)?, own };
        let (undone, problems) = settings.restore(|_| true);
        for what in undone {
            tracing::info!("left by an earlier run: {what}");
        }
        for error in problems {
            tracing::error!("an earlier run's setting stays changed: {error}");
        }
        Ok(settings)
    }

    /// Has the port's frames keep their tags or, if that fails, leaves the port as it was. Returns the
    /// settings that could not be changed, each with advice for the operator.
    pub fn apply(&mut self, link: &Link) -> Result<Vec<String>, SettingsError> {
        self.change(link).inspect_err(|_| {
            for error in self.restore_port(link.ifindex) {
                tracing::error!(name = %link.name, %error, "a setting could not be put back");
            }
        })
    }

    fn change(&mut self, link: &Link) -> Result<Vec<String>, SettingsError> {
        match (&link.kind, link.peer) {
            (LinkKind::Physical, _) => {
                let here = Target {
                    netns: self.own,
                    ifindex: link.ifindex,
                    name: link.name.clone(),
                    port: link.ifindex,
                    prefix: String::new(),
                };
                here.switch_off(&VLAN_PARSE, &mut self.state)
            }
            (LinkKind::Veth, Some(peer)) => self.prepare_peer(link, peer),
            _ => Ok(Vec::new()),
        }
    }

    /// Undoes the changes made for one port.
    pub fn restore_port(&mut self, ifindex: u32) -> Vec<SettingsError> {
        self.restore(|change| change.port == ifindex).1
    }

    /// Undoes every change. A failed one stays recorded, for another attempt.
    pub fn restore_all(&mut self) -> Vec<SettingsError> {
        self.restore(|_| true).1
    }

    /// Updates the record when an interface is renamed while it is a port.
    pub fn renamed(&mut self, ifindex: u32, name: &str) -> Result<(), SettingsError> {
        Ok(self.state.rename(self.own, ifindex, name)?)
    }

    fn prepare_peer(&mut self, link: &Link, peer: Peer) -> Result<Vec<String>, SettingsError> {
        let (name, netns) = match find_peer(link, peer) {
            Ok(found) => found,
            Err(reason) => {
                return Ok(vec![format!(
                    "the other end of {} cannot be reached ({reason}): VLAN tags that travel \
                     beside its frames are lost; inside the guest: ethtool -K DEV txvlan off",
                    link.name
                )]);
            }
        };
        let target = Target {
            netns: netns.as_ref().map_or(self.own, |netns| netns.id),
            ifindex: peer.ifindex,
            name,
            port: link.ifindex,
            prefix: netns.as_ref().map(Netns::command_prefix).unwrap_or_default(),
        };
        let state = &mut self.state;
        let mut switch = || target.switch_off(&VLAN_INSERT, state);
        match netns {
            None => switch(),
            Some(netns) => netns.enter(switch).map_err(|error| SettingsError::Kernel {
                action: "enter the network namespace of the peer".to_owned(),
                name: link.name.clone(),
                error,
            })?,
        }
    }

    /// The result of each undone change, and which changes stay recorded.
    fn restore(
        &mut self,
        concerned: impl Fn(&Change) -> bool,
    ) -> (Vec<String>, Vec<SettingsError>) {
        let (mut undone, mut problems) = (Vec::new(), Vec::new());
        let mut done = Vec::new();
        // Backwards, since one setting may have switched another.
        for change in self.state.changes().iter().rev().filter(|change| concerned(change)) {
            match undo::put_back(change, self.own) {
                Ok(what) => {
                    undone.push(format!("{}: {what}", change.name));
                    done.push(change.clone());
                }
                Err(error) => problems.push(SettingsError::Kernel {
                    action: undo::action(change),
                    name: change.name.clone(),
                    error,
                }),
            }
        }
        if let Err(error) = self.state.forget(|change| done.contains(change)) {
            problems.push(error.into());
        }
        (undone, problems)
    }
}

/// The other end of a veth, and its namespace if it is another one; an error with the reason if it is
/// unreachable.
fn find_peer(link: &Link, peer: Peer) -> Result<(String, Option<Netns>), String> {
    let Some(netns_id) = peer.netns_id else { return Ok((peer_name(link, peer)?, None)) };
    let mut netlink = Netlink::open().map_err(|error| error.to_string())?;
    let netns = netns::by_netns_id(&mut netlink, netns_id)
        .ok_or_else(|| format!("no process and no file shows its network namespace {netns_id}"))?;
    let name = netns
        .enter(|| peer_name(link, peer))
        .map_err(|error| format!("cannot enter {}: {error}", netns.path.display()))??;
    Ok((name, Some(netns)))
}

/// The peer's name, after making sure that it is the other end of `link`.
fn peer_name(link: &Link, peer: Peer) -> Result<String, String> {
    let found = Netlink::open().and_then(|mut netlink| read_link_at(&mut netlink, peer.ifindex));
    match found.map_err(|error| format!("no interface {}: {error}", peer.ifindex))? {
        Some(other) if other.peer.is_some_and(|back| back.ifindex == link.ifindex) => {
            Ok(other.name)
        }
        _ => Err(format!("interface {} is not its other end", peer.ifindex)),
    }
}
