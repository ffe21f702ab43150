//! Changes host settings, and undoes them. A port in `mode = "native"` needs that a NIC's driver, or a veth's
//! other end, leaves VLAN tags in the frames, where an XDP program sees them. While many ports come or go,
//! the kernel's grace periods are expedited.
//!
//! Invariant: every change is recorded before it is made ([`state`](super::state)) and restored exactly.
//! What an earlier run of any version left is undone before anything is served.

use std::path::Path;
use std::{fs, io};

use nix::libc;
use nix::net::if_::if_nametoindex;
use weir_port::ethtool;

use super::bridge::foreign::{Qdisc, TC_H_ROOT, qdisc};
use super::links::{Link, LinkKind, Peer, read_link_at};
use super::netlink::{Netlink, Request};
use super::netns::{self, Netns, NetnsId};
use super::state::{Before, Change, StateError, StateFile};

/// While on, a veth hands a VLAN tag over beside the frame, where an XDP program cannot see it.
const VLAN_INSERT: [&str; 2] = ["tx-vlan-hw-insert", "tx-vlan-stag-hw-insert"];
/// While on, a NIC takes the VLAN tag out of the frame.
const VLAN_PARSE: [&str; 2] = ["rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"];
/// Identifies the qdisc of weir 1, together with its kind pfifo: "we" in ASCII.
const HANDLE: u32 = 0x7765_0000;
/// 1 while the grace periods of the whole host are expedited. (`rcu_normal` beside it forbids that.)
const EXPEDITED: &str = "/sys/kernel/rcu_expedited";
/// Expediting interrupts every CPU, for which a few ports are too little.
const MANY_PORTS: usize = 16;
const GONE: &str = "it is gone, and what was changed with it";

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot {action} on `{name}`: {error}")]
    Kernel { action: String, name: String, error: io::Error },
}

fn kernel(action: impl Into<String>, name: &str, error: io::Error) -> SettingsError {
    SettingsError::Kernel { action: action.into(), name: name.to_owned(), error }
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
        let own = NetnsId::of_this_thread()
            .map_err(|error| kernel("identify the network namespace", "self", error))?;
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

    /// Has the port's frames keep their tags, or leaves the port as it was. Returns the settings that could
    /// not be changed, each with advice.
    pub fn apply(&mut self, link: &Link) -> Result<Vec<String>, SettingsError> {
        self.change(link).inspect_err(|_| {
            for error in self.restore_port(link.ifindex) {
                tracing::error!(name = %link.name, %error, "a setting could not be put back");
            }
        })
    }

    fn change(&mut self, link: &Link) -> Result<Vec<String>, SettingsError> {
        let (ifindex, name, netns, features) = match (&link.kind, link.peer) {
            (LinkKind::Physical, _) => (link.ifindex, link.name.clone(), None, VLAN_PARSE),
            (LinkKind::Veth, Some(peer)) => match find_peer(link, peer) {
                Ok((name, netns)) => (peer.ifindex, name, netns, VLAN_INSERT),
                Err(reason) => {
                    return Ok(vec![format!(
                        "the other end of {} cannot be reached ({reason}): VLAN tags that travel \
                         beside its frames are lost; inside the guest: ethtool -K DEV txvlan off",
                        link.name
                    )]);
                }
            },
            _ => return Ok(Vec::new()),
        };
        let target = Target {
            netns: netns.as_ref().map_or(self.own, |netns| netns.id),
            ifindex,
            name,
            port: link.ifindex,
            prefix: netns.as_ref().map(|n| n.command_prefix() + " ").unwrap_or_default(),
        };
        let state = &mut self.state;
        let mut switch = || target.switch_off(&features, state);
        match netns {
            None => switch(),
            Some(netns) => netns.enter(switch).map_err(|error| {
                kernel("enter the network namespace of the peer", &link.name, error)
            })?,
        }
    }

    /// Expedites grace periods until [`end_expediting`](Self::end_expediting) or `restore_all`, if many `ports`
    /// come or go: the kernel waits for one at each program that it attaches or detaches, 8 to 26 ms. Where
    /// that is not possible, it takes longer.
    pub fn expedite(&mut self, ports: usize) {
        let is_off = || fs::read_to_string(EXPEDITED).is_ok_and(|value| value.trim() == "0");
        if ports < MANY_PORTS || !is_off() {
            return;
        }
        let (netns, name) = (self.own, EXPEDITED.to_owned());
        let change = Change { netns, ifindex: 0, name, port: 0, before: Before::GracePeriods };
        let recorded = self.state.record(change.clone()).map_err(SettingsError::from);
        let begun = recorded.and_then(|()| {
            let written = fs::write(EXPEDITED, "1");
            written.map_err(|error| kernel("write", EXPEDITED, error))
        });
        if let Err(error) = begun {
            tracing::debug!("grace periods are not expedited: {error}");
            let _ = self.state.forget(|recorded| *recorded == change);
        }
    }

    pub fn end_expediting(&mut self) {
        for error in self.restore(|change| change.before == Before::GracePeriods).1 {
            tracing::error!("a setting could not be put back: {error}");
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

    /// The result of each undone change, and which changes stay recorded.
    fn restore(
        &mut self,
        concerned: impl Fn(&Change) -> bool,
    ) -> (Vec<String>, Vec<SettingsError>) {
        let (mut undone, mut problems) = (Vec::new(), Vec::new());
        let mut done = Vec::new();
        // Backwards, since one setting may have switched another.
        for change in self.state.changes().iter().rev().filter(|change| concerned(change)) {
            match put_back(change, self.own) {
                Ok(what) => {
                    undone.push(format!("{}: {what}", change.name));
                    done.push(change.clone());
                }
                Err(error) => problems.push(kernel(action(change), &change.name, error)),
            }
        }
        if let Err(error) = self.state.forget(|change| done.contains(change)) {
            problems.push(error.into());
        }
        (undone, problems)
    }
}

/// The other end of a veth, and its namespace if it is another one; or why it cannot be reached.
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

/// An interface of this thread's namespace.
#[derive(Debug)]
struct Target {
    netns: NetnsId,
    ifindex: u32,
    name: String,
    port: u32,
    /// What precedes a command so that it runs in the namespace.
    prefix: String,
}

impl Target {
    /// Switches off those features that are known and on, recording each first. Returns those that the
    /// kernel did not grant, with advice; such a request is withdrawn.
    fn switch_off(
        &self,
        features: &[&str],
        state: &mut StateFile,
    ) -> Result<Vec<String>, SettingsError> {
        let mut refused = Vec::new();
        let known = match ethtool::features(&self.name) {
            Ok(known) => known,
            Err(error) => {
                // Drivers that do not support the request have no features to answer with.
                tracing::debug!(name = %self.name, %error, "offload features cannot be read");
                return Ok(refused);
            }
        };
        let is_on = |feature: &&&str| known.iter().any(|(name, on)| name == **feature && *on);
        for feature in features.iter().filter(is_on) {
            let change = Change {
                netns: self.netns,
                ifindex: self.ifindex,
                name: self.name.clone(),
                port: self.port,
                before: Before::Feature { feature: (*feature).to_owned(), on: true },
            };
            state.record(change.clone())?;
            match self.set_off(feature) {
                Ok(()) => tracing::debug!("{}: {feature} off instead of on", self.name),
                Err(error) => {
                    // The kernel notes the request even if it does not grant it.
                    if ethtool::set_feature(&self.name, feature, true).is_ok() {
                        state.forget(|recorded| *recorded == change)?;
                    }
                    let Self { name, prefix, .. } = self;
                    refused.push(format!(
                        "{feature} of {name} cannot be set off: {error}; {prefix}ethtool -K {name} \
                         {feature} off"
                    ));
                }
            }
        }
        Ok(refused)
    }

    fn set_off(&self, feature: &str) -> io::Result<()> {
        ethtool::set_feature(&self.name, feature, false)?;
        // The kernel may accept the request and not grant it.
        let now = ethtool::features(&self.name)?;
        if now.iter().any(|(name, on)| name == feature && !on) {
            return Ok(());
        }
        Err(io::Error::other("the kernel did not grant it"))
    }
}

/// Undoes a change, wherever its interface is now, and describes what was done; a replaced interface is
/// left alone. `own` is the namespace of this thread.
fn put_back(change: &Change, own: NetnsId) -> io::Result<String> {
    if change.before == Before::GracePeriods {
        fs::write(EXPEDITED, "0")?;
        return Ok("it is 0 again".to_owned());
    }
    if change.netns == own {
        return put_back_here(change);
    }
    match netns::by_identity(change.netns) {
        Some(netns) => netns.enter(|| put_back_here(change))?,
        None => Ok(GONE.to_owned()),
    }
}

/// Describes the undoing of a change, for when it fails.
fn action(change: &Change) -> String {
    match &change.before {
        Before::Feature { feature, .. } => format!("put {feature} back"),
        Before::NoQdisc { .. } => "remove the qdisc".to_owned(),
        Before::GracePeriods => "write".to_owned(),
    }
}

fn put_back_here(change: &Change) -> io::Result<String> {
    let there = if_nametoindex(change.name.as_str()).is_ok_and(|index| index == change.ifindex);
    if !there {
        return Ok(GONE.to_owned());
    }
    match &change.before {
        Before::Feature { feature, on } => {
            ethtool::set_feature(&change.name, feature, *on)?;
            Ok(format!("{feature} is {} again", if *on { "on" } else { "off" }))
        }
        Before::NoQdisc { tx_queue_len } => remove_qdisc(change.ifindex, *tx_queue_len),
        Before::GracePeriods => Ok(GONE.to_owned()),
    }
}

/// Removes a qdisc that weir 1 gave a veth or a tap, but none of the operator's.
fn remove_qdisc(ifindex: u32, tx_queue_len: u32) -> io::Result<String> {
    let mut netlink = Netlink::open()?;
    let all = netlink.dump(&Request::about_qdisc(libc::RTM_GETQDISC, 0, 0, 0))?;
    let kind = "pfifo".to_owned();
    let ours = Qdisc { ifindex, handle: HANDLE, parent: TC_H_ROOT, kind };
    if !all.iter().any(|(_, payload)| qdisc(payload).as_ref() == Some(&ours)) {
        return Ok("it has no qdisc of weir's any more".to_owned());
    }
    netlink.change(&Request::about_qdisc(libc::RTM_DELQDISC, ifindex, HANDLE, TC_H_ROOT))?;
    // The kernel set an empty length when the qdisc was added.
    let request = Request::about_link(libc::RTM_SETLINK, ifindex);
    netlink.change(&request.number(libc::IFLA_TXQLEN, tx_queue_len))?;
    Ok("weir's qdisc is removed".to_owned())
}
