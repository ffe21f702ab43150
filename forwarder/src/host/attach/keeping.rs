//! Gates that outlive the process: the next weir replaces the old program in the link with its own.
//!
//! Invariant: until then the old program goes on with its own maps, and the replacement is one atomic step.

use aya::programs::links::FdLink;
use aya::programs::tc::SchedClassifierLink;
use aya::programs::{SchedClassifier, TcAttachType};
use weir_abi::maps;
use weir_core::Mode;

use super::{AttachError, Attached, Steering, program};
use crate::host::pins::ExistingGate;

impl Steering {
    /// Attaches the gate to a port, or finds the one that an earlier weir left there.
    pub(super) fn attach_gate(
        &mut self,
        ifindex: u32,
        name: &str,
    ) -> Result<Attached, AttachError> {
        let Some(pins) = self.pins.clone() else { return self.attach_new(ifindex, name) };
        match pins.find(ifindex, name) {
            ExistingGate::Served => Err(AttachError::Served { name: name.to_owned() }),
            ExistingGate::Left { link, pin, program } => {
                self.left.push(program);
                let mode = Mode::Gate;
                let attached = Attached { link, ifindex, mode, pin: Some(pin), is_left: true };
                if self.may_adopt { self.adopt(attached, name) } else { Ok(attached) }
            }
            ExistingGate::Nothing => self.attach_new(ifindex, name),
        }
    }

    /// Attaches the gate, and keeps it if it can be kept.
    fn attach_new(&mut self, ifindex: u32, name: &str) -> Result<Attached, AttachError> {
        let link = self.attach_tcx(maps::GATE, name, TcAttachType::Ingress)?;
        let (link, pin) = match self.pins.clone() {
            None => (link, None),
            Some(pins) => match pins.keep(link, ifindex) {
                Ok((link, pin)) => (link, Some(pin)),
                Err(error) => {
                    tracing::warn!(
                        port = name,
                        "its gate ends with weir: it cannot be kept: {error}"
                    );
                    (self.attach_tcx(maps::GATE, name, TcAttachType::Ingress)?, None)
                }
            },
        };
        Ok(Attached { link, ifindex, mode: Mode::Gate, pin, is_left: false })
    }

    /// Replaces the program that an earlier weir left with this weir's, whose maps describe the port.
    pub fn adopt(&mut self, left: Attached, name: &str) -> Result<Attached, AttachError> {
        let Attached { link, ifindex, mode, pin, .. } = left;
        match self.replace(link) {
            Ok(link) => {
                tracing::info!(port = name, "adopted the gate that an earlier weir left");
                Ok(Attached { link, ifindex, mode, pin, is_left: false })
            }
            Err(error) => {
                tracing::warn!(port = name, "a gate that was left cannot be adopted: {error}");
                // Dropping the pin removes the old link.
                drop(pin);
                self.attach_new(ifindex, name)
            }
        }
    }

    fn replace(&mut self, link: FdLink) -> anyhow::Result<FdLink> {
        let gate: &mut SchedClassifier = program(&mut self.ebpf, maps::GATE)?;
        let id = gate.attach_to_link(SchedClassifierLink::try_from(link)?)?;
        Ok(gate.take_link(id)?.try_into()?)
    }
}
