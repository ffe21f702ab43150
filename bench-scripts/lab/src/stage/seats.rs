//! The seats of a scene on the bed. Invariant: an unknown seat is an error that lists the valid ones.

use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use system_tests::bed::{GUEST_IF, Layout, routers};
use system_tests::{Guest, Ns};

use super::Stage;
use crate::spec::{Family, PeerKind, Seat, Topology};

/// A place that sends or receives.
#[derive(Clone, Debug)]
pub struct Spot<'a> {
    pub ns: &'a Ns,
    /// The interface of the namespace by which it is reached.
    pub interface: String,
    pub addr: IpAddr,
    /// The sender's number, as the tallies of [`system_tests::observer::Watch`] know it by
    /// [`Stage::tells_apart_by`]: the last byte of its MAC address on the observed link. With
    /// routers the router's number: the last byte of the address that the frames are for.
    pub number: u8,
    /// The MAC address of that interface.
    pub mac: [u8; 6],
}

impl<'a> Spot<'a> {
    pub fn of(guest: &'a Guest, family: Family) -> Self {
        Self {
            ns: &guest.ns,
            interface: GUEST_IF.to_owned(),
            addr: guest.addr(family),
            number: guest.number,
            mac: guest.mac(),
        }
    }
}

impl Stage {
    /// All spots of a seat, in order: several for `every` and `via-every`, perhaps none for
    /// `via-others`.
    pub fn spots(&self, seat: Seat, family: Family) -> Result<Vec<Spot<'_>>> {
        let there = |number: u8| (1..=self.scene.vms).contains(&number);
        let routers = self.scene.topology == Topology::Routers;
        let own = self.peer.kind != PeerKind::Linux;
        let spots = match seat {
            Seat::Vm(number) if own && there(number) => vec![self.vm(number)?],
            Seat::Every if own => self.bed.guests.iter().collect(),
            Seat::Uplink => return Ok(vec![self.uplink_spot(family)?]),
            Seat::Right if routers => vec![self.right()?],
            Seat::Via(number) if routers && there(number) => {
                return Ok(vec![self.via(number, family)?]);
            }
            Seat::ViaEvery | Seat::ViaOthers if routers => {
                let first = if seat == Seat::ViaEvery { 1 } else { 2 };
                return (first..=self.scene.vms).map(|number| self.via(number, family)).collect();
            }
            _ => bail!("there is no seat `{seat}` here; valid: {}", self.seats()),
        };
        Ok(spots.into_iter().map(|guest| Spot::of(guest, family)).collect())
    }

    /// The source address and the next hop's MAC address of frames from one spot to another, for
    /// senders that make frames themselves.
    pub fn headers(&self, from: &Spot<'_>, to: &Spot<'_>) -> Result<(IpAddr, [u8; 6])> {
        let Topology::Routers = self.scene.topology else {
            ensure!(from.ns.name() != to.ns.name(), "a frame from {} to itself", from.addr);
            return Ok((from.addr, to.mac));
        };
        let family = if to.addr.is_ipv4() { Family::V4 } else { Family::V6 };
        let leaves_left = from.ns.name() == self.bed.uplink.ns.name();
        let is_way = to.addr == routers::right_by(to.number, family);
        ensure!(
            leaves_left && is_way,
            "frames by hand pass a router from the left host: use \"uplink\" and \"viaN\""
        );
        Ok((routers::left_by(to.number, family), self.bed.gateway_mac(to.number)))
    }

    fn uplink_spot(&self, family: Family) -> Result<Spot<'_>> {
        let spot = Spot::of(&self.bed.uplink, family);
        if self.bed.spec.layout != Layout::Direct {
            return Ok(spot);
        }
        // The uplink host's end of the VM's own veth.
        let vm = self.vm(1)?;
        Ok(Spot { interface: vm.port.clone(), mac: vm.port_mac(), number: vm.number, ..spot })
    }

    fn right(&self) -> Result<&Guest> {
        self.bed.right.as_ref().context("there is no right host")
    }

    fn via(&self, number: u8, family: Family) -> Result<Spot<'_>> {
        let addr = routers::right_by(number, family);
        Ok(Spot { addr, number, ..Spot::of(self.right()?, family) })
    }

    /// All valid seats, for errors.
    fn seats(&self) -> String {
        let n = self.scene.vms;
        let mut seats = vec!["uplink".to_owned()];
        if self.peer.kind != PeerKind::Linux {
            seats.extend([format!("vm1 to vm{n}"), "every".to_owned()]);
        }
        if self.scene.topology == Topology::Routers {
            let ways = ["right", &format!("via1 to via{n}"), "via-every", "via-others"];
            seats.extend(ways.map(str::to_owned));
        }
        seats.join(", ")
    }
}
