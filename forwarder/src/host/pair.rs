//! weir's own pair of devices: a veth whose outer end, `w0-…`, stands in the network namespace that
//! weir runs in, and whose inner end, `w1-…`, in a namespace of weir's own. Frames to schedule enter at
//! the outer end, and AF_XDP receives them at the inner one.
//!
//! ```text
//!   weir's network namespace        weir's own
//!   w0-1f3a9c02 ────── veth ─────── w1-1f3a9c02      (/run/weir/netns/w1-1f3a9c02)
//! ```
//!
//! Invariant: the pair is whole or it is made again; neither end ever sends traffic of its own. It
//! outlives the process, and the next weir with the same control socket finds it by its name.
//!
//! [`mounts`](super::mounts) keeps the namespace.

mod watch;

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use nix::libc;

pub use self::watch::{End, PairEvent, PairWatch};
use super::links::{Link, LinkKind, read_link, read_link_at};
use super::mounts::{Kept, path_of, places};
use super::netlink::{Netlink, Request};
use super::netns::{Netns, NetnsId, id_as_seen};

/// The largest MTU of a veth: superframes pass whole, and a tag in front fits.
const MTU: u32 = 65_535;

/// Which weir a pair, or a folder of pinned links, belongs to: its control socket, and the network
/// namespace it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The inode of the network namespace that the weir runs in.
    pub inode: u64,
    /// Of the control socket's path and the network namespace.
    pub digest: u32,
}

impl Identity {
    /// The identity of a weir in the network namespace of the calling thread.
    pub fn new(control: &Path) -> io::Result<Self> {
        Ok(Self::of(&std::path::absolute(control)?, NetnsId::of_this_thread()?))
    }

    fn of(control: &Path, netns: NetnsId) -> Self {
        let path = control.as_os_str().as_encoded_bytes();
        let (device, inode) = (netns.device.to_le_bytes(), netns.inode.to_le_bytes());
        // FNV-1a, 64 bits folded: stable across versions of weir and of its compiler.
        let hash =
            device.iter().chain(&inode).chain(path).fold(0xcbf2_9ce4_8422_2325, |hash, b| {
                (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
            });
        Self { inode: netns.inode, digest: (hash ^ hash >> 32) as u32 }
    }

    pub fn outer_name(&self) -> String {
        format!("w0-{:08x}", self.digest)
    }

    pub fn inner_name(&self) -> String {
        format!("w1-{:08x}", self.digest)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Pair {
    pub identity: Identity,
    /// `w0`, in the network namespace that weir runs in.
    pub outer: Link,
    /// `w1`, in `netns`, where sockets on it are made.
    pub inner: Link,
    pub netns: Arc<Netns>,
    kept: Option<Arc<Kept>>,
    /// The pair existed already.
    pub adopted: bool,
    /// The reason why the pair will not outlive the process, if there is one.
    pub warning: Option<String>,
}

impl Pair {
    /// Adopts the pair of an earlier weir, or makes one. It blocks.
    pub fn ensure(identity: Identity, queues: u32) -> anyhow::Result<Self> {
        let mut netlink = open(&identity)?;
        if let Some((netns, kept, lasting)) = find_namespace(&identity) {
            match whole(&mut netlink, &identity, &netns, queues) {
                Ok(Some((outer, inner))) => {
                    let warning = (!lasting)
                        .then(|| short_lived(&identity, "it is in a mount namespace of its own"));
                    let kept = Some(Arc::new(kept));
                    return Self::finish(identity, &mut netlink, (outer, inner), netns, kept)
                        .map(|pair| Self { adopted: true, warning, ..pair });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "the pair that is there cannot be looked at");
                }
            }
        }
        remove(&mut netlink, &identity)?;
        Self::make(identity, &mut netlink, queues)
    }

    fn make(identity: Identity, netlink: &mut Netlink, queues: u32) -> anyhow::Result<Self> {
        let (outer, inner) = (identity.outer_name(), identity.inner_name());
        let netns = Netns::create(&path_of(&inner)).map_err(|error| {
            anyhow!(
                "cannot make a network namespace for weir's own pair: {error} (it takes root, or \
                 CAP_SYS_ADMIN)"
            )
        })?;
        create_devices(netlink, [&outer, &inner], netns.file.as_raw_fd(), queues)
            .map_err(failed("make", &identity))?;
        let ends = ends(netlink, &identity, &netns)
            .and_then(|ends| ends.ok_or_else(|| io::Error::other("it vanished while it was made")));
        // Mounted last: the namespace of a weir that is killed before ends with it.
        let (kept, warning) = match keep(&identity, &netns) {
            Ok((kept, true)) => (Some(kept), None),
            Ok((kept, false)) => {
                let why = "the host's mount namespace may not be entered";
                (Some(kept), Some(short_lived(&identity, why)))
            }
            Err(error) => (None, Some(short_lived(&identity, &error.to_string()))),
        };
        let kept = kept.map(Arc::new);
        let made = ends
            .map_err(failed("find", &identity))
            .and_then(|ends| Self::finish(identity, netlink, ends, netns, kept))
            .map(|pair| Self { warning, ..pair });
        if made.is_err() {
            // If this fails, the next start removes what is left.
            let _ = remove(netlink, &identity);
        }
        made
    }

    /// Applies the settings that both ends need, whether they are new or old.
    fn finish(
        identity: Identity,
        netlink: &mut Netlink,
        (outer, inner): (Link, Link),
        netns: Netns,
        kept: Option<Arc<Kept>>,
    ) -> anyhow::Result<Self> {
        let set = |netlink: &mut Netlink, link: &Link| {
            set_up(netlink, link)?;
            read_link_at(netlink, link.ifindex)?
                .ok_or_else(|| io::Error::other("it vanished while it was set up"))
        };
        let failed = failed("set up", &identity);
        // The inner end comes first: so the outer one has a carrier as soon as it is up.
        let inner = netns.enter(|| set(&mut Netlink::open()?, &inner)).flatten();
        let (outer, inner) = match (set(netlink, &outer), inner) {
            (Ok(outer), Ok(inner)) => (outer, inner),
            (Err(error), _) | (_, Err(error)) => return Err(failed(error)),
        };
        let netns = Arc::new(netns);
        Ok(Self { identity, outer, inner, netns, kept, adopted: false, warning: None })
    }
}

/// Removes what a dead weir has left; returns whether there was anything.
pub fn remove_leftovers(identity: &Identity) -> anyhow::Result<bool> {
    remove(&mut open(identity)?, identity)
}

fn remove(netlink: &mut Netlink, identity: &Identity) -> anyhow::Result<bool> {
    let name = identity.outer_name();
    let outer = find_device(netlink, &name).map_err(failed("find", identity))?;
    if let Some(outer) = &outer {
        if outer.kind != LinkKind::Veth {
            bail!("{name} is an interface of another kind ({}); rename or remove it", outer.kind);
        }
        netlink.delete_link(outer.ifindex).map_err(failed("remove", identity))?;
    }
    let inner = identity.inner_name();
    let mut removed = outer.is_some();
    for place in places() {
        // The outer end may have been moved or renamed; the inner one is then still there.
        if let Ok(Some((netns, _))) = place.find(&inner) {
            let gone = netns.enter(|| -> io::Result<()> {
                let mut netlink = Netlink::open()?;
                match find_device(&mut netlink, &inner)? {
                    Some(link) => netlink.delete_link(link.ifindex),
                    None => Ok(()),
                }
            });
            if let Err(error) = gone.flatten() {
                tracing::debug!(%error, inner, "cannot be looked for in its namespace");
            }
        }
        match place.remove(&inner) {
            Ok(there) => removed |= there,
            // A place that weir may not enter cannot hold anything that weir put there.
            Err(error) if !place.lasting => tracing::debug!(%error, "a place that is not ours"),
            Err(error) => {
                let path = path_of(&inner);
                bail!("cannot remove the network namespace {}: {error}", path.display());
            }
        }
    }
    Ok(removed)
}

/// The namespace where it is kept, and whether that place is known to outlast this process.
fn find_namespace(identity: &Identity) -> Option<(Netns, Kept, bool)> {
    let name = identity.inner_name();
    places().iter().find_map(|place| {
        let (netns, kept) = place.find(&name).ok().flatten()?;
        Some((netns, kept, place.lasting))
    })
}

fn keep(identity: &Identity, netns: &Netns) -> io::Result<(Kept, bool)> {
    let name = identity.inner_name();
    let mut last = io::Error::from(io::ErrorKind::PermissionDenied);
    for place in places() {
        match place.keep(&name, netns) {
            Ok(kept) => return Ok((kept, place.lasting)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn short_lived(identity: &Identity, why: &str) -> String {
    let path = path_of(&identity.inner_name());
    format!(
        "weir's own pair lives only as long as weir: its network namespace cannot be kept at {} \
         ({why})",
        path.display()
    )
}

/// Both ends, if they are there and belong together.
fn ends(
    netlink: &mut Netlink,
    identity: &Identity,
    netns: &Netns,
) -> io::Result<Option<(Link, Link)>> {
    let Some(outer) = find_device(netlink, &identity.outer_name())? else { return Ok(None) };
    let name = identity.inner_name();
    let inner = netns.enter(|| find_device(&mut Netlink::open()?, &name)).flatten()?;
    let Some(inner) = inner else { return Ok(None) };
    let namespace = id_as_seen(netlink, &netns.file)?;
    let together = outer.peer.is_some_and(|peer| {
        peer.ifindex == inner.ifindex && namespace.is_some() && peer.netns_id == namespace
    });
    Ok(together.then_some((outer, inner)))
}

/// As [`ends`], if they have the right number of queues as well.
fn whole(
    netlink: &mut Netlink,
    identity: &Identity,
    netns: &Netns,
    queues: u32,
) -> io::Result<Option<(Link, Link)>> {
    let Some((outer, inner)) = ends(netlink, identity, netns)? else { return Ok(None) };
    let fit = fits(&outer, queues) && netns.enter(|| fits(&inner, queues))?;
    Ok(fit.then_some((outer, inner)))
}

fn open(identity: &Identity) -> anyhow::Result<Netlink> {
    Netlink::open().map_err(failed("reach", identity))
}

fn failed(
    action: &'static str,
    identity: &Identity,
) -> impl Fn(io::Error) -> anyhow::Error + use<> {
    let name = identity.outer_name();
    move |error| anyhow!("cannot {action} weir's own pair {name}: {error}")
}

/// The interface of that name.
fn find_device(netlink: &mut Netlink, name: &str) -> io::Result<Option<Link>> {
    read_link(netlink, &Request::about_link(libc::RTM_GETLINK, 0).text(libc::IFLA_IFNAME, name))
}

/// Makes both ends, the inner one in the namespace behind `netns_fd`. They are down.
fn create_devices(
    netlink: &mut Netlink,
    [outer, inner]: [&str; 2],
    netns_fd: i32,
    queues: u32,
) -> io::Result<()> {
    let end = |kind, name| {
        Request::about_link(kind, 0)
            .text(libc::IFLA_IFNAME, name)
            .number(libc::IFLA_MTU, MTU)
            .number(libc::IFLA_NUM_TX_QUEUES, queues)
            .number(libc::IFLA_NUM_RX_QUEUES, queues)
    };
    let peer = end(0, inner).number(libc::IFLA_NET_NS_FD, netns_fd as u32);
    netlink.change(&end(libc::RTM_NEWLINK, outer).create_veth(&peer))
}

/// Silences the device, then sets it up: without IPv6 and ARP an interface sends nothing by itself.
fn set_up(netlink: &mut Netlink, link: &Link) -> io::Result<()> {
    netlink.set_no_ipv6_address(link.ifindex)?;
    switch_ipv6_off(&link.name)?;
    if link.mtu != MTU {
        netlink.set_mtu(link.ifindex, MTU)?;
    }
    netlink.change(&Request::set_flags(link.ifindex, libc::IFF_UP | libc::IFF_NOARP))
}

/// Turns IPv6 off, which no netlink request does: this also keeps the interface out of multicast groups.
fn switch_ipv6_off(name: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    match fs::read_to_string(&path) {
        Ok(text) if text.trim() == "1" => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => fs::write(&path, "1").or_else(|error| match error.kind() {
            // As in a container. Without an address the device sends nothing anyway.
            io::ErrorKind::ReadOnlyFilesystem => Ok(()),
            _ => Err(error),
        }),
    }
}

/// Whether an end is a veth with exactly this number of queues, both allocated and in use.
fn fits(link: &Link, queues: u32) -> bool {
    let counts = [link.rx_queues, link.tx_queues];
    let in_use = weir_port::ethtool::channels(&link.name);
    link.kind == LinkKind::Veth
        && counts == [queues; 2]
        && in_use.is_ok_and(|(rx, tx, combined)| [rx + combined, tx + combined] == [queues; 2])
}

#[cfg(test)]
mod tests;
