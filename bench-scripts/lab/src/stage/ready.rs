//! Checks that every path works before traffic starts: both families between each VM and the uplink
//! host, by each router and back, and the further paths of the scene's traffic.
//!
//! Invariant: forwarders know every station, and no neighbour is resolved afterwards.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, anyhow};
use system_tests::Ns;
use system_tests::bed::FAMILIES;
use system_tests::traffic::ping;
use system_tests::wait::wait_ok;

use super::Stage;
use crate::spec::{Seat, Topology};

/// The first echo over a new path may be lost, and a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// Echoes under way at once.
const AT_ONCE: usize = 16;

impl Stage {
    pub(super) fn make_ready(&self) -> Result<()> {
        self.bed.learn_neighbours()?;
        for paths in self.paths()?.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let asking: Vec<_> =
                    paths.iter().map(|(ns, to)| scope.spawn(move || answers(ns, *to))).collect();
                asking
                    .into_iter()
                    .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a ping panicked"))?)
            })?;
        }
        Ok(())
    }

    /// Sources and destinations; echoes are answered, so that each checks both directions.
    fn paths(&self) -> Result<Vec<(&Ns, IpAddr)>> {
        let mut paths: Vec<(&Ns, IpAddr)> = Vec::new();
        let (from, to) = match self.scene.topology {
            Topology::Vms => (Seat::Every, Seat::Uplink),
            Topology::Routers => (Seat::Uplink, Seat::ViaEvery),
        };
        let taken = self.scene.traffic.iter().map(|traffic| (traffic.from, traffic.to));
        for (from, to) in std::iter::once((from, to)).chain(taken) {
            for family in FAMILIES {
                for from in self.spots(from, family)? {
                    for to in self.spots(to, family)? {
                        let new = !paths
                            .iter()
                            .any(|(ns, addr)| ns.name() == from.ns.name() && *addr == to.addr);
                        if new && from.addr != to.addr {
                            paths.push((from.ns, to.addr));
                        }
                    }
                }
            }
        }
        Ok(paths)
    }
}

fn answers(ns: &Ns, to: IpAddr) -> Result<()> {
    wait_ok(PATIENCE, &format!("the path from {} to {to}", ns.name()), || ping(ns, to, 1))
}
