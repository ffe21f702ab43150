//! A bed: guests and an uplink host, each a namespace, on veths of one host namespace.
//!
//! - [`guest`]: a guest, its addresses and its veth; [`routers`]: guests that are routers
//!
//! Invariant: names and addresses follow from a guest's number and the layout alone, so that a bed
//! follows from its spec, and any number of beds live side by side.

pub mod guest;
pub mod routers;

use crate::kept;
use crate::ns::{self, Ns};
use crate::wait::wait_for;
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use guest::neighbour;
pub use guest::{FAMILIES, Family, GUEST_IF, Guest, mac_text};
pub use routers::RIGHT_PORT;

/// The uplink's end in the host.
pub const UPLINK_PORT: &str = "nic0";
pub const BRIDGE: &str = "br0";
/// The uplink host's number, in its addresses.
const UPLINK: u8 = 200;

static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();
/// `ip netns add` shares a mount point among all namespaces; two calls at once can fail.
static MAKING: Mutex<()> = Mutex::new(());

/// The description of a bed.
#[derive(Debug, Clone)]
pub struct BedSpec {
    pub vms: u8,
    pub mtu: u32,
    /// The ports are in a Linux bridge `br0`.
    pub bridge: bool,
    /// The guests' ends poll (GRO on): without it a burst overruns the per-core backlog.
    pub guest_gro: bool,
    pub layout: Layout,
}

/// How guests and hosts are connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// Guests and the uplink host, all in one network.
    #[default]
    Switch,
    /// No host: each guest's veth ends in the uplink host. The floor of any measurement.
    Direct,
    /// The guests are routers between the uplink host and a second one, see [`routers`].
    Routers,
    /// The same without guests: the host routes for all of them.
    HostRouter,
}

impl BedSpec {
    pub fn vms(vms: u8) -> Self {
        Self { vms, mtu: 1500, bridge: false, guest_gro: true, layout: Layout::Switch }
    }

    #[must_use]
    pub fn mtu(self, mtu: u32) -> Self {
        Self { mtu, ..self }
    }

    #[must_use]
    pub fn bridge(self) -> Self {
        Self { bridge: true, ..self }
    }

    pub fn is_direct(&self) -> bool {
        self.layout == Layout::Direct
    }

    /// Whether there is a right host, behind one router or many.
    pub fn is_routed(&self) -> bool {
        matches!(self.layout, Layout::Routers | Layout::HostRouter)
    }

    pub fn build(self) -> Result<Bed> {
        crate::signals::exit_on_signal();
        SWEPT.call_once(|| {
            ns::remove_stale();
            kept::remove_stale_pairs();
        });
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let _one_at_a_time = MAKING.lock();
        let host = Ns::create(id, "h")?;
        if self.bridge {
            // The bridge at its best: no detour through netfilter, which is the default of some
            // kernels.
            for family in ["iptables", "ip6tables", "arptables"] {
                let _ = host.sysctl(&format!("bridge/bridge-nf-call-{family}"), "0");
            }
            host.ip_batch(&[
                format!(
                    "link add {BRIDGE} mtu {} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                    self.mtu
                ),
                format!("link set {BRIDGE} addrgenmode none"),
                format!("link set {BRIDGE} up"),
            ])?;
        }
        let net = if self.is_routed() { routers::LEFT_NET } else { 0 };
        let uplink = Guest::create(id, "up", UPLINK_PORT, UPLINK, net)?;
        if !self.is_direct() {
            uplink.plug(&host, &self)?;
        }
        let mut bed = Bed { id, spec: self, guests: Vec::new(), uplink, right: None, host };
        if bed.spec.is_routed() {
            let (number, net) = (routers::RIGHT, routers::RIGHT_NET);
            let right = Guest::create(id, "rt", RIGHT_PORT, number, net)?;
            right.plug(&bed.host, &bed.spec)?;
            bed.right = Some(right);
        }
        if bed.spec.layout != Layout::HostRouter {
            for number in 1..=bed.spec.vms {
                bed.make_guest(number)?;
            }
        }
        if bed.spec.is_routed() {
            bed.connect_routers()?;
        }
        if !bed.spec.is_direct() {
            // A bridge does not use a port until the kernel has noticed its carrier.
            bed.wait_up()?;
        }
        Ok(bed)
    }
}

/// Guests 1 to `vms`, the uplink host, and the host between them where weir runs.
#[derive(Debug)]
pub struct Bed {
    id: u32,
    pub spec: BedSpec,
    // Guests first: they drop before the host, so that nothing sends into a vanishing one.
    pub guests: Vec<Guest>,
    /// With routers, the left host.
    pub uplink: Guest,
    /// Only with routers.
    pub right: Option<Guest>,
    pub host: Ns,
}

impl Bed {
    fn make_guest(&mut self, number: u8) -> Result<()> {
        let name = format!("v{number}");
        let net = if self.spec.is_routed() { routers::RIGHT_NET } else { 0 };
        let guest = Guest::create(self.id, &name, &name, number, net)?;
        if self.spec.is_direct() {
            guest.plug(&self.uplink.ns, &self.spec)?;
            let port = &guest.port;
            self.uplink.ns.ip_batch(&[
                format!("address add {}/24 dev {port}", self.uplink.v4()),
                format!("address add {}/64 dev {port} nodad", self.uplink.v6()),
                format!("link set {port} up"),
            ])?;
            if self.spec.guest_gro {
                self.uplink.ns.ethtool(&format!("-K {port} gro on"))?;
            }
        } else {
            guest.plug(&self.host, &self.spec)?;
        }
        if self.spec.layout == Layout::Routers {
            let (port, net) = (routers::left_port(number), routers::LEFT_NET);
            guest.plug_to(&port, routers::LEFT_IF, 2, net, &self.host, &self.spec)?;
        }
        self.guests.push(guest);
        Ok(())
    }

    /// Adds a guest, as when a VM starts; returns its index.
    pub fn add_guest(&mut self) -> Result<usize> {
        let number = self.guests.iter().map(|guest| guest.number).max().unwrap_or(0) + 1;
        self.make_guest(number)?;
        let index = self.guests.len() - 1;
        self.wait_carrier(&self.guest(index)?.port)?;
        Ok(index)
    }

    /// Deletes a guest's veth, as when a VM stops; the guest's namespace stays.
    pub fn unplug(&self, index: usize) -> Result<()> {
        self.host.ip(&format!("link del {}", self.guest(index)?.port)).map(drop)
    }

    /// Makes a guest's veth again under the same name.
    pub fn replug(&self, index: usize) -> Result<()> {
        self.guest(index)?.plug(&self.host, &self.spec)?;
        self.wait_carrier(&self.guest(index)?.port)
    }

    pub fn set_port(&self, index: usize, state: &str) -> Result<()> {
        self.host.ip(&format!("link set {} {state}", self.guest(index)?.port)).map(drop)
    }

    pub fn guest(&self, index: usize) -> Result<&Guest> {
        self.guests.get(index).with_context(|| format!("the bed has no guest {index}"))
    }

    /// All hosts at the far ends of ports: the guests, the right host if there is one, the uplink host.
    pub fn everybody(&self) -> impl Iterator<Item = &Guest> {
        self.guests.iter().chain(&self.right).chain([&self.uplink])
    }

    /// Names of the ports in the host, the uplink's last.
    pub fn ports(&self) -> Vec<String> {
        let routers = if self.spec.layout == Layout::Routers { &self.guests[..] } else { &[] };
        let left = routers.iter().map(|router| routers::left_port(router.number));
        left.chain(self.everybody().map(|guest| guest.port.clone())).collect()
    }

    /// Ends the programs of the guests and the uplink host; weir, in the host, goes on.
    pub fn kill_clients(&self) {
        self.everybody().for_each(|guest| ns::kill_inside(guest.ns.name()));
    }

    /// Waits until the kernel has noticed every port's carrier, which it does in its own time.
    pub fn wait_up(&self) -> Result<()> {
        self.ports().iter().try_for_each(|port| self.wait_carrier(port))
    }

    fn wait_carrier(&self, port: &str) -> Result<()> {
        wait_for(Duration::from_secs(30), &format!("{port} to have a carrier"), || {
            self.host.link(port).is_ok_and(|link| link["operstate"] == "UP")
        })
    }

    /// Resolves every neighbour beforehand, so that a measurement does not begin with ARP.
    pub fn learn_neighbours(&self) -> Result<()> {
        match self.spec.layout {
            Layout::Switch => {}
            Layout::Direct => return self.learn_direct(),
            // The neighbours are known from the beginning.
            Layout::Routers | Layout::HostRouter => return Ok(()),
        }
        let all: Vec<&Guest> = self.guests.iter().chain([&self.uplink]).collect();
        for guest in &all {
            let others = all.iter().filter(|other| other.number != guest.number);
            let lines = others.flat_map(|other| {
                FAMILIES.map(|family| neighbour(other.addr(family), other.mac(), GUEST_IF))
            });
            guest.ns.ip_batch(&lines.collect::<Vec<String>>())?;
        }
        Ok(())
    }

    fn learn_direct(&self) -> Result<()> {
        for guest in &self.guests {
            for family in FAMILIES {
                let up = self.uplink.addr(family);
                guest.ns.ip(&neighbour(up, guest.port_mac(), GUEST_IF))?;
                let back = neighbour(guest.addr(family), guest.mac(), &guest.port);
                self.uplink.ns.ip(&back)?;
            }
        }
        Ok(())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        kept::remove_pairs_of(&self.host);
    }
}
