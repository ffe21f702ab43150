//! The host's interfaces: a snapshot, its changes, and which may become ports. Invariant: read only.

mod decode;
mod guard;
mod path;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use nix::libc;
use tokio::task::JoinHandle;

pub use self::guard::{GuardError, OWN_BRIDGE, check_bridge, check_port, could_be_port};
pub use self::path::{ExpressPath, Method};
pub use self::watch::{Changed, Watch};
use super::netlink::{Netlink, Request};

#[derive(Debug, thiserror::Error)]
pub enum LinksError {
    #[error("cannot read the interfaces from the kernel (rtnetlink): {0}")]
    Netlink(#[from] io::Error),
    #[error("reading the interfaces was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LinkKind {
    Veth,
    /// A tun device that carries Ethernet frames: what a VM monitor opens.
    Tap,
    /// A tun device that carries IP packets: no Ethernet, never a port.
    Tun,
    Bridge,
    Loopback,
    /// A device with a driver of its own and no rtnetlink kind (virtio_net, ena, mlx5, ...).
    #[default]
    Physical,
    /// Any other rtnetlink kind, by its name (bond, vlan, dummy, ...).
    Other(String),
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Veth => "veth",
            Self::Tap => "tap",
            Self::Tun => "tun",
            Self::Bridge => "bridge",
            Self::Loopback => "loopback",
            Self::Physical => "physical",
            Self::Other(kind) => kind,
        })
    }
}

/// The other end of a veth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub ifindex: u32,
    /// The id by which this network namespace knows the peer's; `None`: the peer is in this one.
    pub netns_id: Option<i32>,
}

/// XDP programs on an interface, by id; 0 where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct XdpAttached {
    pub native: u32,
    pub skb: u32,
    pub hardware: u32,
}

impl XdpAttached {
    pub fn has(&self, id: u32) -> bool {
        [self.native, self.skb, self.hardware].contains(&id)
    }

    /// The running program, and its mode as `ip link set dev X <mode> off` spells it.
    pub fn program(&self) -> Option<(u32, &'static str)> {
        [(self.native, "xdpdrv"), (self.skb, "xdpgeneric"), (self.hardware, "xdpoffload")]
            .into_iter()
            .find(|(id, _)| *id != 0)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    pub ifindex: u32,
    pub name: String,
    pub alias: String,
    pub kind: LinkKind,
    /// The driver's name as ethtool gives it; `None` if there is no driver to ask.
    pub driver: Option<String>,
    pub mtu: u32,
    /// The administrator has set it up (IFF_UP).
    pub up: bool,
    /// The other end is up as well (IFF_LOWER_UP).
    pub carrier: bool,
    pub ethernet: bool,
    pub mac: [u8; 6],
    pub master: Option<u32>,
    /// The master's kind ("bridge", "bond", ...).
    pub master_kind: Option<String>,
    pub peer: Option<Peer>,
    /// Of a VLAN device, the interface of this namespace that it is stacked on, and the VLAN.
    pub vlan: Option<(u32, Option<u16>)>,
    /// The speed that the driver reports; veth and tap report a fiction.
    pub speed_mbit: Option<u32>,
    /// Queues in use, not those that are merely allocated.
    pub rx_queues: u32,
    pub tx_queues: u32,
    pub xdp: XdpAttached,
    /// Addresses of the host on this interface, without link-local ones.
    pub addresses: Vec<(IpAddr, u8)>,
    /// A default route of the main table leaves through this interface, of IPv4 or IPv6.
    pub is_default_route: bool,
}

impl Link {
    /// The bridge that it is a member of.
    pub fn bridge(&self) -> Option<u32> {
        self.master.filter(|_| self.master_kind.as_deref() == Some("bridge"))
    }

    /// Adds what only the driver knows. An interface that cannot answer keeps the values from netlink.
    fn ask_driver(&mut self) {
        if matches!(self.kind, LinkKind::Loopback | LinkKind::Bridge) {
            return;
        }
        self.driver = weir_port::ethtool::driver(&self.name).ok();
        self.speed_mbit = weir_port::ethtool::speed_mbit(&self.name).ok().flatten();
        if let Ok((rx, tx, combined)) = weir_port::ethtool::channels(&self.name) {
            self.rx_queues = (rx + combined).max(1);
            self.tx_queues = (tx + combined).max(1);
        }
    }

    /// Copies from an earlier reading what is not read again.
    fn inherit(&mut self, old: &Self) {
        self.driver.clone_from(&old.driver);
        self.speed_mbit = old.speed_mbit;
        self.rx_queues = old.rx_queues;
        self.tx_queues = old.tx_queues;
        self.is_default_route = old.is_default_route;
    }
}

/// All interfaces of the network namespace at one moment, by interface index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    links: BTreeMap<u32, Link>,
}

impl Snapshot {
    /// Whether nothing but carriers differs, which guests change at will.
    pub(crate) fn equals_but_carrier(&self, other: &Self) -> bool {
        let equals =
            |(one, other): (&Link, &Link)| Link { carrier: other.carrier, ..one.clone() } == *other;
        self.links.len() == other.links.len()
            && self.links.values().zip(other.links.values()).all(equals)
    }

    pub fn get(&self, ifindex: u32) -> Option<&Link> {
        self.links.get(&ifindex)
    }

    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The members of a bridge.
    pub fn ports_of(&self, bridge: u32) -> impl Iterator<Item = &Link> {
        self.links.values().filter(move |link| link.bridge() == Some(bridge))
    }
}

/// Access to the kernel's interfaces, opened once in the network namespace that it shows.
#[derive(Debug, Clone)]
pub struct Links {
    netlink: Arc<Mutex<Netlink>>,
}

impl Links {
    pub fn open() -> Result<Self, LinksError> {
        Ok(Self { netlink: Arc::new(Mutex::new(Netlink::open()?)) })
    }

    /// Reads everything again.
    pub async fn snapshot(&self) -> Result<Snapshot, LinksError> {
        Ok(self.spawn(read_snapshot).await??)
    }

    /// The XDP programs on all interfaces, by interface index, and nothing else: that is cheap.
    pub async fn programs(&self) -> Result<BTreeMap<u32, XdpAttached>, LinksError> {
        let links = self.spawn(read_brief).await??;
        Ok(links.into_iter().map(|link| (link.ifindex, link.xdp)).collect())
    }

    /// Asks on another thread, since the kernel's rtnl lock may have to be waited for.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Netlink) -> io::Result<T> + Send + 'static,
    ) -> JoinHandle<io::Result<T>> {
        let netlink = Arc::clone(&self.netlink);
        tokio::task::spawn_blocking(move || {
            // A request that panicked has left no state that could harm the next one.
            question(&mut netlink.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

/// The interface that an RTM_GETLINK request names, if it exists, without what only the driver knows.
pub(crate) fn read_link(netlink: &mut Netlink, request: &Request) -> io::Result<Option<Link>> {
    match netlink.call(request) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        answers => Ok(answers?.iter().find_map(|(_, payload)| decode::link(payload))),
    }
}

/// The same for the interface with that index.
pub(crate) fn read_link_at(netlink: &mut Netlink, ifindex: u32) -> io::Result<Option<Link>> {
    read_link(netlink, &Request::about_link(libc::RTM_GETLINK, ifindex))
}

/// The interfaces as the kernel lists them, without addresses, routes and what only drivers know.
pub(crate) fn read_brief(netlink: &mut Netlink) -> io::Result<Vec<Link>> {
    let links = netlink.dump(&brief(0))?;
    Ok(links.iter().filter_map(|(_, payload)| decode::link(payload)).collect())
}

/// A request for an interface, or with 0 for all, without statistics.
fn brief(ifindex: u32) -> Request {
    Request::about_link(libc::RTM_GETLINK, ifindex)
        .number(libc::IFLA_EXT_MASK, libc::RTEXT_FILTER_SKIP_STATS as u32)
}

/// The frames that devices dropped on transmission since each was made, by interface index, in this
/// thread's network namespace: of one interface or of all.
pub(crate) fn tx_dropped(ifindex: Option<u32>) -> io::Result<HashMap<u32, u64>> {
    let wanted = 1 << (decode::IFLA_STATS_LINK_64 - 1);
    let request = Request::of_words(libc::RTM_GETSTATS, [0, ifindex.unwrap_or(0), wanted]);
    let mut netlink = Netlink::open()?;
    let answers = match ifindex {
        Some(_) => netlink.call(&request)?,
        None => netlink.dump(&request)?,
    };
    Ok(answers.iter().filter_map(|(_, payload)| decode::tx_dropped(payload)).collect())
}

/// The snapshot, in the network namespace of `netlink`.
pub(crate) fn read_snapshot(netlink: &mut Netlink) -> io::Result<Snapshot> {
    let mut snapshot = read_links(netlink, &Snapshot::default())?;
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut fixed = [0; 12];
        fixed[0] = family as u8;
        for (_, payload) in netlink.dump(&Request::new(libc::RTM_GETROUTE, &fixed))? {
            for ifindex in decode::default_route(&payload) {
                if let Some(link) = snapshot.links.get_mut(&ifindex) {
                    link.is_default_route = true;
                }
            }
        }
    }
    Ok(snapshot)
}

/// The interfaces of now; what drivers know, and the routes, are taken from `before` where it is there.
fn read_links(netlink: &mut Netlink, before: &Snapshot) -> io::Result<Snapshot> {
    let mut links = BTreeMap::new();
    for mut link in read_brief(netlink)? {
        match before.get(link.ifindex) {
            Some(old) if (&old.kind, &old.name) == (&link.kind, &link.name) => link.inherit(old),
            _ => link.ask_driver(),
        }
        links.insert(link.ifindex, link);
    }
    for (_, payload) in netlink.dump(&Request::new(libc::RTM_GETADDR, &[0; 8]))? {
        if let Some((ifindex, address)) = decode::address(&payload)
            && let Some(link) = links.get_mut(&ifindex)
        {
            link.addresses.push(address);
        }
    }
    Ok(Snapshot { links })
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) fn link(ifindex: u32, name: &str, kind: LinkKind) -> Link {
        Link {
            ifindex,
            name: name.to_owned(),
            kind,
            mtu: 1500,
            up: true,
            carrier: true,
            ethernet: true,
            mac: [2, 0, 0, 0, 0, ifindex as u8],
            rx_queues: 1,
            tx_queues: 1,
            ..Link::default()
        }
    }

    pub(crate) fn member(mut link: Link, bridge: u32) -> Link {
        link.master = Some(bridge);
        link.master_kind = Some("bridge".to_owned());
        link
    }

    pub(crate) fn snapshot(links: impl IntoIterator<Item = Link>) -> Snapshot {
        Snapshot { links: links.into_iter().map(|link| (link.ifindex, link)).collect() }
    }
}
