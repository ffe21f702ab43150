//! Keeps weir's programs attached: at the ingress of each port, and at the egress of a link with a rate,
//! where one charges it for frames that pass by the gate.
//!
//! The kernel does not let `ip link` detach a bpf_link, but `bpftool link detach` and its like do so,
//! without a notification.
//!
//! Invariants: a port that is `up` has its program, as of the last check. A port whose program was
//! detached is `failed` until it is attached again: at once the first time, and with growing delays
//! when that happens repeatedly, so that weir does not fight another process without end. Meanwhile its
//! frames go by the kernel, and frames to it are still sent. A port with a foreign program is taken out
//! of service, and in again when that program is gone. A served port with a rate has the charging
//! program, as of the last check; without it the port is still served, and frames that pass by the gate
//! exceed the rate.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aya::programs::links::FdLink;
use aya::programs::{SchedClassifier, TcAttachType};

use super::Forwarder;
use super::roster::State;
use crate::host::links::XdpAttached;
use weir_core::Mode;

/// The second delay; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After this long without a detachment, the next counts as the first.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// When to attach again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOff {
    times: u32,
    again_at: Option<Instant>,
}

impl TakenOff {
    /// Counts one more detachment; returns how long to wait.
    fn note(&mut self, now: Instant) -> Duration {
        if self.again_at.is_some_and(|at| now.saturating_duration_since(at) > FORGOTTEN) {
            self.times = 0;
        }
        let wait = match self.times {
            0 => Duration::ZERO,
            before => FIRST_WAIT.saturating_mul(1 << (before - 1).min(16)).min(LONGEST_WAIT),
        };
        self.times = self.times.saturating_add(1);
        self.again_at = Some(now + wait);
        wait
    }

    fn is_due(&self, now: Instant) -> bool {
        self.again_at.is_none_or(|at| now >= at)
    }
}

/// A port's program at its egress.
#[derive(Debug, Default)]
pub struct Charging {
    link: Option<FdLink>,
    /// Whether a failed attachment was already logged.
    told: bool,
}

impl Forwarder {
    /// Attaches again what was detached; `programs` are the present ones.
    pub async fn keep_attached(&mut self, programs: &BTreeMap<u32, XdpAttached>) {
        if self.stopping {
            return;
        }
        self.keep_all_charged();
        let (ours, now) = (self.steering.id, Instant::now());
        let at_the_gate = self.steering.gate_program_ids();
        let mut failed = Vec::new();
        for entry in self.roster.entries.values_mut() {
            let (name, Some(active)) = (&entry.plan.name, entry.active.as_mut()) else { continue };
            // An interface that is gone is handled elsewhere.
            let Some(program) = programs.get(&active.ifindex) else { continue };
            let what = kind(active.mode);
            if active.attached.is_some() {
                let attached = match active.mode {
                    Mode::Gate => has_any(name, TcAttachType::Ingress, &at_the_gate),
                    Mode::Native => program.has(ours),
                };
                if attached {
                    continue;
                }
                // Closing the link is all that is left to do.
                active.attached = None;
                let wait = entry.taken_off.note(now);
                let times = entry.taken_off.times;
                tracing::warn!(port = name, times, "its {what} program was detached from outside");
                entry.state = State::Failed(format!(
                    "its {what} program was detached from outside, {times} times by now; it is attached \
                     again within {} s",
                    wait.as_secs().max(1)
                ));
            }
            if !entry.taken_off.is_due(now) {
                continue;
            }
            match self.steering.attach(active.ifindex, name, active.mode) {
                Ok(attached) => {
                    tracing::warn!(port = name, "its {what} program is attached again");
                    (entry.state, active.attached) = (State::Up, Some(attached));
                }
                Err(error) => failed.push((name.clone(), what, error)),
            }
        }
        for (name, what, error) in failed {
            tracing::warn!(port = name, "its {what} program cannot be attached again: {error}");
            self.take_out(&name, State::Failed(error.to_string())).await;
        }
    }

    /// Starts or stops charging the link of a served port, as its plan says.
    pub(super) fn keep_charged(&mut self, name: &str) {
        let Some(entry) = self.roster.entries.get_mut(name) else { return };
        let is_rated = entry.plan.rate.is_some();
        let Some(active) = entry.active.as_mut() else { return };
        if !is_rated {
            active.charging = Charging::default();
            return;
        }
        let charging = &mut active.charging;
        if charging.link.is_some() {
            return;
        }
        match self.steering.attach_charge(name) {
            Ok(link) => *charging = Charging { link: Some(link), told: false },
            Err(error) if !charging.told => {
                charging.told = true;
                tracing::warn!(
                    port = name,
                    "what the host and the bridge send to it is not charged to its rate: {error}"
                );
            }
            Err(_) => {}
        }
    }

    /// Does the same for all ports, and restores programs that were detached.
    pub(super) fn keep_all_charged(&mut self) {
        let ours = self.steering.gate_program_ids();
        for name in self.roster.names() {
            let Some(entry) = self.roster.entries.get_mut(&name) else { continue };
            if let Some(active) = entry.active.as_mut()
                && active.charging.link.is_some()
                && !has_any(&name, TcAttachType::Egress, &ours)
            {
                tracing::warn!(
                    port = name,
                    "the program that charges its link was detached from outside"
                );
                active.charging.link = None;
            }
            self.keep_charged(&name);
        }
    }

    /// From here on frames that pass by the gate exceed the rates.
    pub(super) fn end_charging(&mut self) {
        for entry in self.roster.entries.values_mut() {
            if let Some(active) = entry.active.as_mut() {
                active.charging = Charging::default();
            }
        }
    }
}

const fn kind(mode: Mode) -> &'static str {
    match mode {
        Mode::Gate => "gate",
        Mode::Native => "XDP",
    }
}

/// Whether one of these programs is attached to the interface; assumed if the kernel does not answer.
pub(super) fn has_any(name: &str, at: TcAttachType, ids: &BTreeSet<u32>) -> bool {
    SchedClassifier::query_tcx(name, at)
        .map_or(true, |(_, programs)| programs.iter().any(|program| ids.contains(&program.id())))
}

#[cfg(test)]
mod tests;
