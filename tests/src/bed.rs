//! A bed: guests and an uplink host, each a namespace, on veths of one host namespace.
//!
//! Invariant: names and addresses follow from a guest's number alone, so that a bed can be drawn
//! from its spec, and any number of beds live side by side.

use crate::ns::{self, Ns, ip_batch, name_of};
use crate::wait::wait_for;
use anyhow::{Context, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

/// The guest's end of every veth.
pub const GUEST_IF: &str = "eth0";
/// The uplink's end in the host.
pub const UPLINK_PORT: &str = "nic0";
pub const BRIDGE: &str = "br0";
/// The uplink host's number, in its addresses.
const UPLINK: u8 = 200;

static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();
/// `ip netns add` shares a mount point among all it makes; two at once can trip over it.
static MAKING: Mutex<()> = Mutex::new(());

/// What a bed is to be.
#[derive(Debug, Clone)]
pub struct BedSpec {
    pub vms: u8,
    pub mtu: u32,
    /// The ports are in a Linux bridge `br0`.
    pub bridge: bool,
    /// The guests' ends poll (GRO on): without it a burst overruns the per-core backlog.
    pub guest_gro: bool,
    /// No host: each guest's veth ends in the uplink host. The floor of any measurement.
    pub direct: bool,
}

impl BedSpec {
    #[must_use]
    pub fn vms(vms: u8) -> Self {
        Self { vms, mtu: 1500, bridge: false, guest_gro: true, direct: false }
    }

    #[must_use]
    pub fn mtu(self, mtu: u32) -> Self {
        Self { mtu, ..self }
    }

    #[must_use]
    pub fn bridge(self) -> Self {
        Self { bridge: true, ..self }
    }

    #[must_use]
    pub fn guest_gro(self, guest_gro: bool) -> Self {
        Self { guest_gro, ..self }
    }

    #[must_use]
    pub fn direct(self) -> Self {
        Self { direct: true, ..self }
    }

    pub fn build(self) -> Result<Bed> {
        Bed::new(self)
    }
}

/// A guest, or the uplink host: a namespace with one interface `eth0`.
#[derive(Debug)]
pub struct Guest {
    pub ns: Ns,
    /// The other end of its veth, in the host.
    pub port: String,
    pub number: u8,
}

impl Guest {
    fn create(bed: u32, role: &str, port: &str, number: u8) -> Result<Self> {
        let ns = Ns::create(&name_of(bed, role))?;
        Ok(Self { ns, port: port.to_owned(), number })
    }

    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        [0x02, 0, 0, 0, 0, self.number]
    }

    #[must_use]
    pub fn mac_text(&self) -> String {
        mac_text(self.mac())
    }

    /// The other end's, in the host.
    fn port_mac_text(&self) -> String {
        mac_text([0x02, 0, 0, 0, 1, self.number])
    }

    #[must_use]
    pub fn v4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.number)
    }

    #[must_use]
    pub fn v6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(self.number))
    }

    #[must_use]
    pub fn addr(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.v4()),
            Family::V6 => IpAddr::V6(self.v6()),
        }
    }

    #[must_use]
    pub fn socket(&self, family: Family, port: u16) -> SocketAddr {
        SocketAddr::new(self.addr(family), port)
    }

    /// Makes the veth and everything at the guest's end of it.
    fn plug(&self, host: &Ns, spec: &BedSpec) -> Result<()> {
        let (guest, host_name, port, mtu) = (self.ns.name(), host.name(), &self.port, spec.mtu);
        let one = "numrxqueues 1 numtxqueues 1";
        // The names are the same in every bed: both ends are born in their namespaces.
        ip_batch(
            None,
            &[format!(
                "link add {GUEST_IF} netns {guest} mtu {mtu} address {} {one} type veth peer name {port} netns {host_name} mtu {mtu} address {} {one}",
                self.mac_text(),
                self.port_mac_text(),
            )],
        )?;
        ip_batch(
            Some(guest),
            &[
                // No link-local address: nothing is then sent that no test has asked for.
                format!("link set {GUEST_IF} addrgenmode none"),
                format!("address add {}/24 dev {GUEST_IF}", self.v4()),
                format!("address add {}/64 dev {GUEST_IF} nodad", self.v6()),
                format!("link set {GUEST_IF} up"),
            ],
        )?;
        if spec.guest_gro {
            self.ns.ethtool(&format!("-K {GUEST_IF} gro on"))?;
        }
        if spec.direct {
            return Ok(());
        }
        let mut at_host = vec![format!("link set {port} addrgenmode none")];
        if spec.bridge {
            at_host.push(format!("link set {port} master {BRIDGE}"));
        }
        at_host.push(format!("link set {port} up"));
        ip_batch(Some(host_name), &at_host)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// Both families, for tests that do the same over each.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Guests 1 to `vms`, the uplink host, and the host between them where weir runs.
#[derive(Debug)]
pub struct Bed {
    id: u32,
    pub spec: BedSpec,
    // Guests first: they drop before the host, so that nothing sends into a vanishing one.
    pub guests: Vec<Guest>,
    pub uplink: Guest,
    pub host: Ns,
}

impl Bed {
    pub fn new(spec: BedSpec) -> Result<Self> {
        crate::signals::exit_on_signal();
        SWEPT.call_once(ns::remove_stale);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let _one_at_a_time = MAKING.lock();
        let host = Ns::create(&name_of(id, "h"))?;
        if spec.bridge {
            // A bridge at its best: no detour through netfilter, which some kernels default to.
            for family in ["iptables", "ip6tables", "arptables"] {
                let _ = host.sysctl(&format!("bridge/bridge-nf-call-{family}"), "0");
            }
            ip_batch(
                Some(host.name()),
                &[
                    format!(
                        "link add {BRIDGE} mtu {} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                        spec.mtu
                    ),
                    format!("link set {BRIDGE} addrgenmode none"),
                    format!("link set {BRIDGE} up"),
                ],
            )?;
        }
        let uplink = Guest::create(id, "up", UPLINK_PORT, UPLINK)?;
        if !spec.direct {
            uplink.plug(&host, &spec)?;
        }
        let mut bed = Self { id, spec, guests: Vec::new(), uplink, host };
        for number in 1..=bed.spec.vms {
            bed.make_guest(number)?;
        }
        Ok(bed)
    }

    fn make_guest(&mut self, number: u8) -> Result<()> {
        let guest = Guest::create(self.id, &format!("v{number}"), &format!("v{number}"), number)?;
        if self.spec.direct {
            guest.plug(&self.uplink.ns, &self.spec)?;
            let port = &guest.port;
            ip_batch(
                Some(self.uplink.ns.name()),
                &[
                    format!("address add {}/24 dev {port}", self.uplink.v4()),
                    format!("address add {}/64 dev {port} nodad", self.uplink.v6()),
                    format!("link set {port} up"),
                ],
            )?;
            if self.spec.guest_gro {
                self.uplink.ns.ethtool(&format!("-K {port} gro on"))?;
            }
        } else {
            guest.plug(&self.host, &self.spec)?;
        }
        self.guests.push(guest);
        Ok(())
    }

    /// A further guest, as when a VM starts; returns its index.
    pub fn add_guest(&mut self) -> Result<usize> {
        let number = self.guests.iter().map(|guest| guest.number).max().unwrap_or(0) + 1;
        self.make_guest(number)?;
        Ok(self.guests.len() - 1)
    }

    /// Deletes a guest's veth, as when a VM stops; the guest's namespace stays.
    pub fn unplug(&self, index: usize) -> Result<()> {
        self.host.ip(&format!("link del {}", self.guest(index)?.port)).map(drop)
    }

    /// Makes a guest's veth anew under the same name.
    pub fn replug(&self, index: usize) -> Result<()> {
        self.guest(index)?.plug(&self.host, &self.spec)
    }

    pub fn set_port(&self, index: usize, state: &str) -> Result<()> {
        self.host.ip(&format!("link set {} {state}", self.guest(index)?.port)).map(drop)
    }

    pub fn guest(&self, index: usize) -> Result<&Guest> {
        self.guests.get(index).with_context(|| format!("the bed has no guest {index}"))
    }

    /// Names of the ports in the host, the uplink's last.
    #[must_use]
    pub fn ports(&self) -> Vec<String> {
        self.guests.iter().chain([&self.uplink]).map(|guest| guest.port.clone()).collect()
    }

    /// Ends the programs of the guests and the uplink host; weir, in the host, goes on.
    pub fn kill_clients(&self) {
        self.guests.iter().chain([&self.uplink]).for_each(|guest| guest.ns.kill_all());
    }

    /// Waits until the kernel has noticed that every port has a carrier, which it does in its own
    /// time.
    pub fn wait_up(&self) -> Result<()> {
        wait_for(Duration::from_secs(5), "the ports to have a carrier", || {
            self.ports()
                .iter()
                .all(|port| self.host.link(port).is_ok_and(|link| link["operstate"] == "UP"))
        })
    }

    /// Resolves every neighbour beforehand, so that a measurement does not begin with ARP.
    pub fn learn_neighbours(&self) -> Result<()> {
        if self.spec.direct {
            return self.learn_direct();
        }
        let all: Vec<&Guest> = self.guests.iter().chain([&self.uplink]).collect();
        for guest in &all {
            let mut lines = Vec::new();
            for other in all.iter().filter(|other| other.number != guest.number) {
                for family in FAMILIES {
                    lines.push(format!(
                        "neighbour replace {} lladdr {} dev {GUEST_IF} nud permanent",
                        other.addr(family),
                        other.mac_text()
                    ));
                }
            }
            ip_batch(Some(guest.ns.name()), &lines)?;
        }
        Ok(())
    }

    fn learn_direct(&self) -> Result<()> {
        for guest in &self.guests {
            for family in FAMILIES {
                let (port, up) = (guest.port_mac_text(), self.uplink.addr(family));
                guest.ns.ip(&format!(
                    "neighbour replace {up} lladdr {port} dev {GUEST_IF} nud permanent"
                ))?;
                self.uplink.ns.ip(&format!(
                    "neighbour replace {} lladdr {} dev {} nud permanent",
                    guest.addr(family),
                    guest.mac_text(),
                    guest.port
                ))?;
            }
        }
        Ok(())
    }
}
