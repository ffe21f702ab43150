//! Which interface may become a port. Invariant: an interface through which the host itself is
//! reached is never taken unless the operator said `--force`.

use std::net::IpAddr;

use super::{Link, LinkKind, Snapshot};

/// For what an interface is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortUse {
    Vif,
    Uplink,
}

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
        "`{name}` carries the host's address {address}: the host would lose it to the forwarder; \
         put `{name}` into a bridge and the address on the bridge (ip link set dev {name} master \
         BRIDGE), or use --force"
    )]
    HostAddress { name: String, address: IpAddr },
}

fn hint(lead: &str, candidates: &[String]) -> String {
    if candidates.is_empty() { String::new() } else { format!("{lead}: {}", candidates.join(", ")) }
}

/// Refuses the interface of a default route, without `force`.
pub fn refuse_default_route(link: &Link, force: bool) -> Result<(), GuardError> {
    if link.is_default_route() && !force {
        return Err(GuardError::DefaultRoute { name: link.name.clone() });
    }
    Ok(())
}

/// Whether it is the kind of interface that can be a port at all.
pub fn could_be_port(link: &Link) -> bool {
    unfit(link).is_none()
}

/// The interface by that name, if it may be taken as a port for `wanted`.
pub fn check_port<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    wanted: PortUse,
    force: bool,
) -> Result<&'a Link, GuardError> {
    let candidates = || {
        let fits = |link: &&Link| could_be_port(link) && !link.is_default_route();
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
    refuse_default_route(link, force)?;
    if let Some((address, _)) = link.addresses.first()
        && wanted == PortUse::Uplink
        && link.bridge().is_none()
        && !force
    {
        return Err(GuardError::HostAddress { name: name.to_owned(), address: *address });
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
            Some("a device that nobody is behind")
        }
        _ if !link.ethernet => Some("not an Ethernet device"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{link, member, snapshot};
    use super::*;

    fn host() -> Snapshot {
        let mut eth0 = link(2, "eth0", LinkKind::Physical);
        eth0.default_route_v4 = true;
        eth0.addresses.push(("192.0.2.1".parse().unwrap(), 24));
        let mut nic1 = link(4, "nic1", LinkKind::Physical);
        nic1.addresses.push(("198.51.100.7".parse().unwrap(), 24));
        snapshot([
            link(1, "lo", LinkKind::Loopback),
            eth0,
            link(3, "br0", LinkKind::Bridge),
            nic1,
            member(link(5, "v1", LinkKind::Veth), 3),
        ])
    }

    fn refused(name: &str, wanted: PortUse) -> String {
        check_port(&host(), name, wanted, false).unwrap_err().to_string()
    }

    #[test]
    fn says_what_would_be_valid() {
        assert_eq!(
            refused("v9", PortUse::Vif),
            "there is no interface `v9`; it could be: nic1, v1"
        );
        assert!(refused("lo", PortUse::Vif).contains("the loopback interface"));
        assert!(refused("br0", PortUse::Uplink).contains("use --bridge"));
        assert_eq!(
            check_bridge(&host(), "v1").unwrap_err().to_string(),
            "`v1` is not a bridge but veth; the bridges are: br0"
        );
        assert_eq!(check_bridge(&host(), "br0").unwrap().ifindex, 3);
    }

    #[test]
    fn the_way_to_the_host_is_taken_by_force_only() {
        assert!(refused("eth0", PortUse::Vif).contains("--force"));
        assert_eq!(check_port(&host(), "eth0", PortUse::Uplink, true).unwrap().ifindex, 2);
        let refused = refused("nic1", PortUse::Uplink);
        assert!(refused.contains("198.51.100.7") && refused.contains("into a bridge"), "{refused}");
        assert!(check_port(&host(), "nic1", PortUse::Vif, false).is_ok());
        assert!(check_port(&host(), "nic1", PortUse::Uplink, true).is_ok());
        assert!(check_port(&host(), "v1", PortUse::Uplink, false).is_ok());
    }
}
