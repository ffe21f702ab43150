//! Asks for confirmation before a network could be flooded by accident. Invariant: up to modest bounds
//! nothing is refused. Beyond them only traffic is allowed that stays on this machine, or on a network
//! directly at one of its interfaces other than that of the default route.

use std::net::IpAddr;

use crate::host::links::{Link, LinkKind, Links, Snapshot};
use weir_probe::ProbeError;
use weir_probe::rate::Rate;
use weir_probe::send::Order;

pub const MODEST_PPS: u64 = 10_000;
pub const MODEST_BITS_PER_S: u64 = 100_000_000;

/// Refuses, without `force`, traffic that would be too much for other people's hosts.
pub async fn check(order: &Order, force: bool) -> Result<(), ProbeError> {
    if force || is_modest(order) {
        return Ok(());
    }
    let links = links().await?;
    match why_not(order.target.ip(), &links) {
        None => Ok(()),
        Some(why) => {
            let rate = match order.rate {
                Rate::Max => "as fast as possible".to_owned(),
                rate => format!("at {rate}"),
            };
            Err(ProbeError::Refused(format!(
                "{} {why}; sending {rate} could harm others. Valid without --force: up to \
                 {MODEST_PPS} datagrams and {} Mbit a second",
                order.target.ip(),
                MODEST_BITS_PER_S / 1_000_000
            )))
        }
    }
}

/// The same for frames that are sent past the stack.
pub async fn check_raw(interface: &str, force: bool) -> Result<(), ProbeError> {
    let links = links().await?;
    match links.by_name(interface) {
        None => Err(ProbeError::Refused(format!(
            "there is no interface {interface}; valid: {}",
            links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ")
        ))),
        Some(link) if link.is_default_route && !force => Err(ProbeError::Refused(format!(
            "the default route leaves by {interface}: a flood there could harm others, and cut \
             you off. Valid: another interface, or --force"
        ))),
        Some(_) => Ok(()),
    }
}

/// This machine's interfaces.
pub async fn links() -> Result<Snapshot, ProbeError> {
    let failed = |error| ProbeError::Refused(format!("cannot look at the interfaces: {error}"));
    Links::open().map_err(failed)?.snapshot().await.map_err(failed)
}

fn is_modest(order: &Order) -> bool {
    let frame = order.sizes.mean() + u64::from(order.overhead());
    order.rate.packets_per_s(frame) <= MODEST_PPS
        && order.rate.bits_per_s(frame) <= MODEST_BITS_PER_S
}

/// Why a flood to the address could reach other hosts; `None` if it cannot.
fn why_not(target: IpAddr, links: &Snapshot) -> Option<&'static str> {
    if target.is_loopback() {
        return None;
    }
    if target.is_multicast() {
        return Some("is a group's address");
    }
    let own = |link: &Link| link.addresses.iter().any(|(address, _)| *address == target);
    if links.iter().any(own) {
        return None;
    }
    let at: Vec<&Link> = links
        .iter()
        .filter(|link| link.kind != LinkKind::Loopback)
        .filter(|link| link.addresses.iter().any(|(own, prefix)| contains(*own, *prefix, target)))
        .collect();
    if at.iter().any(|link| link.is_default_route) {
        return Some("is behind the interface of the default route");
    }
    // A link-local address names its interface itself; the user who writes it knows which.
    let link_local = match target {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if at.is_empty() && !link_local { Some("is not on a network of this machine") } else { None }
}

fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let same = |a: u128, b: u128, bits: u32| {
        let rest = bits.saturating_sub(prefix.into());
        a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
    };
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
