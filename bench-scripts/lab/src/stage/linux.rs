//! The same promises for Linux's own parts. Invariant: a link's rate applies to every peer; only HTB
//! enforces shares and maximum rates.

use anyhow::{Context, Result};
use system_tests::Guest;
use system_tests::bed::GUEST_IF;
use system_tests::fair::Sender;
use system_tests::peers::{Htb, fifo};

use super::{Stage, link_port};
use crate::spec::{Kind, PeerKind};

impl Stage {
    /// The link's queues, if they are not weir's.
    pub(super) fn shape(&self) -> Result<()> {
        let (host, port, mtu) = (&self.bed.host, link_port(self.scene.topology), self.scene.mtu);
        match (self.peer.kind, self.scene.link) {
            (PeerKind::Bridge | PeerKind::Linux, Some(link)) => fifo(host, port, link, mtu)?,
            // There is no host: the VM's own end is the link's.
            (PeerKind::Direct, Some(link)) => fifo(&self.vm(1)?.ns, GUEST_IF, link, mtu)?,
            (PeerKind::Htb, _) => self.htb().make(&self.promises(&self.scene.all_weights(&[])))?,
            _ => {}
        }
        self.poll_ports()
    }

    /// Ports that do not poll drop frames without a socket behind them.
    fn poll_ports(&self) -> Result<()> {
        let live = self.scene.traffic.iter().any(|traffic| traffic.kind == Kind::Live);
        let by_linux = matches!(self.peer.kind, PeerKind::Bridge | PeerKind::Htb | PeerKind::Linux);
        if live && by_linux {
            for port in self.bed.ports() {
                let on = self.bed.host.ethtool(&format!("-K {port} gro on"));
                on.with_context(|| format!("polling at {port}"))?;
            }
        }
        Ok(())
    }

    pub(super) fn reweigh_classes(&self, weights: &[u32]) -> Result<()> {
        // Without a link's rate there are no shares of it.
        if self.scene.link.is_none() {
            return Ok(());
        }
        self.htb().change(&self.promises(weights))
    }

    fn htb(&self) -> Htb<'_> {
        Htb { host: &self.bed.host, port: link_port(self.scene.topology), mbit: self.scene.link }
    }

    fn promises(&self, weights: &[u32]) -> Vec<(&Guest, Sender)> {
        self.bed.guests.iter().zip(self.scene.senders(weights)).collect()
    }
}
