//! Which interfaces may become ports. Invariant: one through which the host itself is reached is never taken
//! without `--force`.

use std::net::IpAddr;

use super::{Link, LinkKind, Snapshot};

/// The bridge that weir makes for ports that are in none.
pub const OWN_BRIDGE: &str = "weir0";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    #[error("there is no interface `{name}`{}", hint("; it could be", candidates))]
    Missing { name: String, candidates: Vec<String> },
    #[error("`{name}` is {what} and cannot be a port{}", hint("; it could be", candidates))]
    WrongKind { name: String, what: &'static str, candidates: Vec<String> },
    #[error("`{name}` is not a bridge but {kind}{}", hint("; the bridges are", candidates))]
    NotABridge { name: String, kind: String, candidates: Vec<String> },
    #[error(
        "the default route leaves through `{name}`: taking it over could cut this host off; \
         use another interface, or --force if you can reach the host in another way"
    )]
    DefaultRoute { name: String },
    #[error(
        "`{name}` carries the host's address {address}/{prefix}, which a member of a bridge cannot \
         answer for; move it to the bridge: `ip addr del {address}/{prefix} dev {name}` before weir \
         starts, and `ip addr add {address}/{prefix} dev {OWN_BRIDGE}` when it runs"
    )]
    HostAddress { name: String, address: IpAddr, prefix: u8 },
}

fn hint(lead: &str, candidates: &[String]) -> String {
    if candidates.is_empty() { String::new() } else { format!("{lead}: {}", candidates.join(", ")) }
}

/// Whether interfaces of this kind can be ports at all.
pub fn could_be_port(link: &Link) -> bool {
    unfit(link).is_none()
}

/// The interface by that name, if it may be taken as a port.
pub fn check_port<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    force: bool,
) -> Result<&'a Link, GuardError> {
    let candidates = || {
        let fits = |link: &&Link| could_be_port(link) && !link.is_default_route;
        names(snapshot.iter().filter(fits))
    };
    let Some(link) = snapshot.by_name(name) else {
        return Err(GuardError::Missing { name: name.to_owned(), candidates: candidates() });
    };
    if let Some(what) = unfit(link) {
        return Err(GuardError::WrongKind {
            name: name.to_owned(),
            what,
            candidates: candidates(),
        });
    }
    if link.is_default_route && !force {
        return Err(GuardError::DefaultRoute { name: name.to_owned() });
    }
    if let Some((address, prefix)) = link.addresses.first().copied()
        && link.bridge().is_none()
    {
        return Err(GuardError::HostAddress { name: name.to_owned(), address, prefix });
    }
    Ok(link)
}

/// The bridge by that name.
pub fn check_bridge<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Link, GuardError> {
    let candidates = || names(snapshot.iter().filter(|link| link.kind == LinkKind::Bridge));
    match snapshot.by_name(name) {
        None => Err(GuardError::Missing { name: name.to_owned(), candidates: candidates() }),
        Some(link) if link.kind == LinkKind::Bridge => Ok(link),
        Some(link) => Err(GuardError::NotABridge {
            name: name.to_owned(),
            kind: link.kind.to_string(),
            candidates: candidates(),
        }),
    }
}

fn names<'a>(links: impl Iterator<Item = &'a Link>) -> Vec<String> {
    links.map(|link| link.name.clone()).collect()
}

fn unfit(link: &Link) -> Option<&'static str> {
    match &link.kind {
        LinkKind::Loopback => Some("the loopback interface"),
        LinkKind::Bridge => Some("a bridge (name its members, or use --bridge)"),
        LinkKind::Tun => Some("a tun device without Ethernet frames (a tap device has them)"),
        LinkKind::Other(kind) if kind == "ifb" || kind == "dummy" => {
            Some("a device without a peer")
        }
        _ if !link.ethernet => Some("not an Ethernet device"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
