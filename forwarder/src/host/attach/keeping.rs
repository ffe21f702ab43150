//! Gates that outlive the process: the next weir puts its own program in the place of the old one.
//!
//! Invariant: until it does, the old program goes on with its own maps; the change itself is one step, so
//! no frame of the port goes by without a gate, nor by half a one.

use std::sync::Arc;

use aya::programs::links::FdLink;
use aya::programs::tc::SchedClassifierLink;
use aya::programs::{SchedClassifier, TcAttachType};
use weir_abi::maps;
use weir_core::Mode;

use super::{AttachError, Attached, Steering};
use crate::host::pins::{ExistingGate, LeftGate, Pins};

/// How gates are kept.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// `None`: they end with the process.
    pins: Option<Arc<Pins>>,
    /// Programs of an earlier weir that still decide.
    left: Vec<u32>,
    /// They may be replaced: the maps are filled.
    ready: bool,
}

impl Keeping {
    /// The ids of programs that are ours, as far as another weir's are.
    pub(super) fn left(&self) -> &[u32] {
        &self.left
    }
}

impl Steering {
    /// Has the gates outlive the process. What an earlier life has left is not touched before
    /// [`Self::ready_to_adopt`].
    pub fn keep_in(&mut self, pins: Option<Arc<Pins>>) {
        self.keeping = Keeping { pins, ..Keeping::default() };
    }

    /// Where they are kept.
    pub fn pins(&self) -> Option<Arc<Pins>> {
        self.keeping.pins.clone()
    }

    /// From here on a gate that is left is adopted as soon as it is found.
    pub fn ready_to_adopt(&mut self) {
        self.keeping.ready = true;
    }

    /// Attaches the gate to a port, before all other programs there, or finds the one that is left there.
    pub(super) fn attach_gate(
        &mut self,
        ifindex: u32,
        name: &str,
    ) -> Result<Attached, AttachError> {
        let Some(pins) = self.keeping.pins.clone() else {
            let link = self.attach_tcx(maps::GATE, name, TcAttachType::Ingress)?;
            return Ok(Attached { link, ifindex, mode: Mode::Gate, pin: None, is_left: false });
        };
        match pins.find(ifindex, name) {
            ExistingGate::Served => Err(AttachError::Served { name: name.to_owned() }),
            ExistingGate::LeftGate(LeftGate { link, pin, program }) => {
                self.keeping.left.push(program);
                let mode = Mode::Gate;
                let attached = Attached { link, ifindex, mode, pin: Some(pin), is_left: true };
                if self.keeping.ready { self.adopt(attached, name) } else { Ok(attached) }
            }
            ExistingGate::Nothing => self.attach_kept(&pins, ifindex, name),
        }
    }

    fn attach_kept(
        &mut self,
        pins: &Pins,
        ifindex: u32,
        name: &str,
    ) -> Result<Attached, AttachError> {
        let link = self.attach_tcx(maps::GATE, name, TcAttachType::Ingress)?;
        let (link, pin) = match pins.keep(link, ifindex) {
            Ok((link, pin)) => (link, Some(pin)),
            Err(error) => {
                tracing::warn!(port = name, "its gate ends with weir: it cannot be kept: {error}");
                (self.attach_tcx(maps::GATE, name, TcAttachType::Ingress)?, None)
            }
        };
        Ok(Attached { link, ifindex, mode: Mode::Gate, pin, is_left: false })
    }

    /// Puts this weir's program in the place of the one that an earlier weir left: what it has to know of
    /// the port it was told.
    pub fn adopt(&mut self, left: Attached, name: &str) -> Result<Attached, AttachError> {
        let Attached { link, ifindex, mode, pin, .. } = left;
        match self.replace(link) {
            Ok(link) => {
                tracing::info!(port = name, "adopted the gate that an earlier weir left");
                Ok(Attached { link, ifindex, mode, pin, is_left: false })
            }
            Err(error) => {
                tracing::warn!(port = name, "a gate that was left cannot be adopted: {error}");
                // With it the old one goes.
                drop(pin);
                match self.keeping.pins.clone() {
                    Some(pins) => self.attach_kept(&pins, ifindex, name),
                    None => self.attach_gate(ifindex, name),
                }
            }
        }
    }

    fn replace(&mut self, link: FdLink) -> anyhow::Result<FdLink> {
        let program = self.ebpf.program_mut(maps::GATE);
        let gate: &mut SchedClassifier =
            program.ok_or(aya::programs::ProgramError::NotLoaded)?.try_into()?;
        let id = gate.attach_to_link(SchedClassifierLink::try_from(link)?)?;
        Ok(gate.take_link(id)?.try_into()?)
    }
}
