//! weir's own bridge: made from the ports that a file names, found again at the next start, and left in
//! place when weir ends, so that the guests stay connected without it.
//!
//! Invariant: weir never changes a bridge that it did not make, and a failure leaves the host as it
//! was. The bridge's MAC address and MTU do not change when ports come and go.

mod request;

use std::io;

use nix::libc;

use super::super::links::{GuardError, Link, LinkKind, Snapshot, check_port, read_snapshot};
use super::super::netlink::{Netlink, Request};

/// The alias by which weir recognizes its own bridge; `ip -d link` shows it.
pub const ALIAS: &str = "made by weir";

/// The bridge to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeRequest {
    pub name: String,
    pub ports: Vec<String>,
    /// Take the interface of the default route as well.
    pub force: bool,
}

/// The resulting bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    pub ifindex: u32,
    /// Whether the bridge existed already, from an earlier run.
    pub adopted: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error("a bridge needs at least one port; name one")]
    NoPorts,
    #[error(transparent)]
    Refused(#[from] GuardError),
    #[error(
        "`{name}` is a member of `{master}`; use that bridge (--bridge {master}), or take it out \
         (ip link set dev {name} nomaster)"
    )]
    MemberElsewhere { name: String, master: String },
    #[error(
        "there is a bridge `{name}` that weir did not make; use it (--bridge {name}), or let weir \
         take another name"
    )]
    NotOurs { name: String },
    #[error("`{name}` is {kind}, not a bridge; let weir take another name for its own")]
    NotABridge { name: String, kind: LinkKind },
    #[error("cannot {action}: {error}")]
    Kernel { action: String, error: io::Error },
}

/// Makes the bridge or adopts it, in the network namespace of this thread. It blocks for
/// milliseconds.
pub fn make(wanted: &BridgeRequest) -> Result<Made, MakeError> {
    let failed = |error| kernel("read the interfaces from the kernel (rtnetlink)", error);
    let mut netlink = Netlink::open().map_err(failed)?;
    let snapshot = read_snapshot(&mut netlink).map_err(failed)?;
    let existing = existing(&snapshot, &wanted.name)?;
    let ports = check(&snapshot, wanted, existing)?;
    let mut setup = BridgeSetup { netlink: &mut netlink, undo: Vec::new() };
    match setup.establish(wanted, existing, &ports) {
        Ok(ifindex) => Ok(Made { ifindex, adopted: existing.is_some() }),
        Err(error) => {
            setup.undo();
            Err(error)
        }
    }
}

fn kernel(action: impl Into<String>, error: io::Error) -> MakeError {
    MakeError::Kernel { action: action.into(), error }
}

/// The bridge of an earlier run.
fn existing(snapshot: &Snapshot, name: &str) -> Result<Option<u32>, MakeError> {
    let Some(link) = snapshot.by_name(name) else { return Ok(None) };
    let name = name.to_owned();
    if link.kind != LinkKind::Bridge {
        return Err(MakeError::NotABridge { name, kind: link.kind.clone() });
    }
    if link.alias != ALIAS {
        return Err(MakeError::NotOurs { name });
    }
    Ok(Some(link.ifindex))
}

/// The ports, if all of them may become members.
fn check<'a>(
    snapshot: &'a Snapshot,
    wanted: &BridgeRequest,
    bridge: Option<u32>,
) -> Result<Vec<&'a Link>, MakeError> {
    if wanted.ports.is_empty() {
        return Err(MakeError::NoPorts);
    }
    let ports = wanted.ports.iter().map(|name| {
        // A member of the bridge may carry the default route.
        let is_member = snapshot.by_name(name).is_some_and(|link| link.master.is_some());
        let link = check_port(snapshot, name, wanted.force || is_member)?;
        match link.master.filter(|master| Some(*master) != bridge) {
            Some(master) => Err(MakeError::MemberElsewhere {
                name: name.clone(),
                master: snapshot.get(master).map_or(master.to_string(), |link| link.name.clone()),
            }),
            None => Ok(link),
        }
    });
    ports.collect()
}

/// One step that was done and can be undone.
enum UndoStep {
    Made { ifindex: u32, name: String },
    Joined { ifindex: u32, name: String },
}

struct BridgeSetup<'a> {
    netlink: &'a mut Netlink,
    undo: Vec<UndoStep>,
}

impl BridgeSetup<'_> {
    fn establish(
        &mut self,
        wanted: &BridgeRequest,
        existing: Option<u32>,
        ports: &[&Link],
    ) -> Result<u32, MakeError> {
        let name = &wanted.name;
        let bridge = match existing {
            Some(bridge) => bridge,
            None => self.create(name, ports)?,
        };
        for link in ports.iter().filter(|link| link.bridge() != Some(bridge)) {
            request::set_master(self.netlink, link.ifindex, bridge).map_err(|error| {
                kernel(format!("make `{}` a member of `{name}`", link.name), error)
            })?;
            self.undo.push(UndoStep::Joined { ifindex: link.ifindex, name: link.name.clone() });
        }
        if existing.is_none() {
            // An MTU that was set explicitly does not follow the ports. It follows them until then, and
            // setting the present value has no effect; so another value is set first.
            let mtu = ports.iter().map(|link| link.mtu).min().unwrap_or(1500);
            for mtu in [mtu ^ 1, mtu] {
                self.netlink
                    .set_mtu(bridge, mtu)
                    .map_err(|error| kernel(format!("set the MTU of `{name}` to {mtu}"), error))?;
            }
        }
        self.netlink
            .change(&Request::set_flags(bridge, libc::IFF_UP))
            .map_err(|error| kernel(format!("set `{name}` up"), error))?;
        Ok(bridge)
    }

    fn create(&mut self, name: &str, ports: &[&Link]) -> Result<u32, MakeError> {
        // A MAC address that was set explicitly does not change with the ports.
        let mac = ports.first().map_or([0; 6], |link| link.mac);
        let failed = |error| kernel(format!("make the bridge `{name}`"), error);
        let ifindex = request::create(self.netlink, name, mac).map_err(failed)?;
        self.undo.push(UndoStep::Made { ifindex, name: name.to_owned() });
        request::describe(self.netlink, ifindex, ALIAS).map_err(failed)?;
        request::refuse_autoconfiguration(name);
        Ok(ifindex)
    }

    fn undo(&mut self) {
        while let Some(done) = self.undo.pop() {
            let (name, undone) = match &done {
                UndoStep::Made { ifindex, name } => (name, self.netlink.delete_link(*ifindex)),
                UndoStep::Joined { ifindex, name } => {
                    (name, request::set_master(self.netlink, *ifindex, 0))
                }
            };
            if let Err(error) = undone {
                tracing::error!(%name, %error, "could not be put back");
            }
        }
    }
}

#[cfg(test)]
mod tests;
