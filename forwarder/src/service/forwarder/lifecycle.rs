//! Takes a port into service and out of it.
//!
//! Invariant: on the way in, the program is attached last. On the way out, it is detached first, and
//! the worker empties the sockets before they are closed. A step that fails undoes the ones before it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use weir_core::{Mode, PortId, PortSettings, Reason, SchedulerSettings};
use weir_port::{Transmit, XskConfig, XskPort, ethtool};

use super::Forwarder;
use super::gate;
use super::quota::{FILL_SCARCE, Part};
use super::reattach::Charging;
use super::roster::{Active, State};
use crate::host::attach::Attached;
use crate::host::links::{Link, Snapshot, check_port, tx_dropped};
use crate::worker::{Change, NoAnswer};
use weir_schema::PortPlan;

/// The number of ports at the gate with a transmit ring of their own. Each costs the kernel some 128
/// bytes for every frame of the pool, and 10 to 30 ms to bind. The others send by their packet socket,
/// which costs a worker some 1.4 times as much for each frame and needs no memory.
const RINGS: usize = 8;

/// A port whose sockets are being closed.
#[derive(Debug)]
pub(super) struct Closing {
    worker: usize,
    id: PortId,
    closing: tokio::task::JoinHandle<()>,
}

impl Forwarder {
    /// Takes an interface into service, and undoes the earlier steps when one fails. The other ports'
    /// promises are not renewed yet: see [`Self::reshape`].
    pub(super) async fn take_in(
        &mut self,
        plan: &PortPlan,
        links: &Snapshot,
    ) -> anyhow::Result<()> {
        let link = check_port(links, &plan.name, self.force)?.clone();
        self.give_back(&plan.name, Reason::PortGone).await?;
        self.make_room().await?;
        let entry = self.roster.enlist(plan);
        let entry = entry.with_context(|| {
            format!("`{}`: all {} places for ports are taken", plan.name, weir_abi::MAX_PORTS)
        })?;
        entry.driver = link.driver.clone().unwrap_or_default();
        entry.mtu = link.mtu;
        let slot = entry.slot;
        self.measured.name(PortId(slot), &plan.name).await?;

        self.join_own_bridge(plan, &link).await?;
        if plan.mode == Mode::Native {
            for refused in self.settings.apply(&link)? {
                tracing::warn!(port = plan.name, "{refused}");
            }
        }
        // An attached program leaves every frame alone until the port is announced to it. So this finds
        // the mode that the driver supports without touching a frame.
        let served = match self.steering.attach(link.ifindex, &link.name, plan.mode) {
            Ok(attached) => self.serve(plan, &link, slot, attached).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = served {
            self.unlock(slot, plan);
            self.put_back_settings(&plan.name, link.ifindex);
            return Err(error);
        }
        Ok(())
    }

    /// Binds the sockets, hands them to the worker, and only then announces the port to the program.
    async fn serve(
        &mut self,
        plan: &PortPlan,
        link: &Link,
        slot: u16,
        attached: Attached,
    ) -> anyhow::Result<()> {
        let id = PortId(slot);
        let mode = attached.mode;
        let features = ethtool::tx_features(&link.name).unwrap_or_default();
        let at_the_gate = mode == Mode::Gate;
        let queues = if at_the_gate { 0 } else { link.rx_queues.clamp(1, weir_abi::MAX_QUEUES) };
        let promised = self.plan.port_settings(plan);
        let worker = self.workers.place(&self.roster, plan.worker, promised.role);
        let part = self.part_of(worker);
        let fill_quota =
            if at_the_gate { FILL_SCARCE } else { fill_quota(part, &plan.name, queues) };
        let config = XskConfig {
            queues,
            transmit: if at_the_gate && self.roster.active().count() >= RINGS {
                Transmit::Line
            } else {
                Transmit::Ring
            },
            tx_queues: link.tx_queues,
            mtu: link.mtu,
            tx_features: features,
            fill_quota,
            ..XskConfig::new(&link.name, link.ifindex, id)
        };
        let umem = self.umem.clone();
        let bound = tokio::task::spawn_blocking(move || XskPort::bind(&umem, config)).await;
        let port = bound
            .map_err(|_| NoAnswer::Ended)?
            .map_err(|error| anyhow!("its sockets could not be bound: {error}"))?;
        for (queue, socket) in port.xsk_fds() {
            self.steering.set_socket(slot, queue, socket)?;
        }
        self.lock(slot, plan)?;
        let fill_frames = fill_quota * queues;
        let part = Part { promised: part.promised + fill_frames, ports: part.ports + 1, ..part };
        let settings = PortSettings { queue_frames: part.queue(), ..promised };
        let mut active = Active {
            ifindex: link.ifindex,
            mode,
            queues,
            superframes: features.tso4,
            dropped_before: dropped_by(link.ifindex),
            attached: None,
            charging: Charging::default(),
            worker,
            fill_frames,
            settings,
        };
        if let Err(error) = self.workers.serve(worker, id, settings, port).await {
            if let Some(entry) = self.roster.entries.get_mut(&plan.name) {
                // It is unknown how much of it the workers have done.
                entry.leaving = Some(active);
            }
            return Err(error.into());
        }
        active.attached = Some(attached);
        if let Some(entry) = self.roster.entries.get_mut(&plan.name) {
            entry.active = Some(active);
            entry.state = State::Up;
        }
        self.add_to_gate(plan, link.ifindex, id);
        let core = self.workers.core(worker);
        tracing::info!(port = plan.name, role = %plan.role, %mode, core, "in service");
        Ok(())
    }

    /// A worker's part of the pool, and who shares it now.
    fn part_of(&self, worker: usize) -> Part {
        let served = self.roster.active().filter(|(_, active)| active.worker == worker);
        let promised = gate::FILL + served.map(|(_, active)| active.fill_frames).sum::<u32>();
        let ports = self.roster.held().filter(|held| held.worker == worker).count() as u32;
        let workers = self.workers.count() as u32;
        Part { frames: self.frames_per_worker, promised, ports, workers }
    }

    /// Sends the workers the ports' present promises if they differ from the last ones: changed
    /// promises, and room in the pool, which depends on the number of ports.
    pub(super) async fn reshape(
        &mut self,
        scheduler: Option<SchedulerSettings>,
    ) -> Result<(), NoAnswer> {
        let ports: Vec<(PortId, PortSettings)> = self
            .roster
            .active()
            .map(|(entry, active)| {
                let queue_frames = self.part_of(active.worker).queue();
                let promised = self.plan.port_settings(&entry.plan);
                (entry.id(), active.settings, PortSettings { queue_frames, ..promised })
            })
            .filter(|(_, told, wanted)| told != wanted)
            .map(|(id, _, wanted)| (id, wanted))
            .collect();
        let scheduler = scheduler.or(self.owed.take());
        if ports.is_empty() && scheduler.is_none() {
            return Ok(());
        }
        let change = Change { ports, scheduler };
        if let Err(error) = self.workers.reshape(&change).await {
            self.owed = scheduler;
            return Err(error);
        }
        for entry in self.roster.entries.values_mut() {
            let told = change.ports.iter().find(|(id, _)| *id == entry.id());
            if let (Some((_, told)), Some(active)) = (told, entry.active.as_mut()) {
                active.settings = *told;
            }
        }
        Ok(())
    }

    /// Takes a port out of service, whatever state its interface is in.
    pub(super) async fn take_out(&mut self, name: &str, state: State) {
        self.detach(name);
        let Some(entry) = self.roster.entries.get_mut(name) else { return };
        let slot = entry.slot;
        let stopping = matches!(state, State::Stopped);
        let why = if stopping { Reason::Shutdown } else { Reason::PortGone };
        if let Some(active) = entry.active.take() {
            let (plan, ifindex, worker) = (entry.plan.clone(), active.ifindex, active.worker);
            entry.leaving = Some(active);
            self.settle(name, worker).await;
            if let Err(error) = self.give_back(name, why).await {
                tracing::warn!(port = name, "it is detached, but its worker still has it: {error}");
            }
            self.unlock(slot, &plan);
            self.gate.table.remove_port(PortId(slot));
            self.put_back_settings(name, ifindex);
            tracing::info!(
                port = name,
                state = weir_core::Choice::name(state.report().0),
                "out of service"
            );
        }
        self.roster.mark_gone(name, state);
    }

    /// Has the worker give back a port that is out of service, and closes its sockets. If the worker
    /// does not answer, this can be tried again.
    pub(super) async fn give_back(&mut self, name: &str, why: Reason) -> Result<(), NoAnswer> {
        let Some(entry) = self.roster.entries.get(name) else { return Ok(()) };
        let Some(leaving) = &entry.leaving else { return Ok(()) };
        let (worker, id) = (leaving.worker, entry.id());
        let given = self.end_service(name, worker, id, why).await;
        // A worker that has ended never gives anything back.
        if matches!(given, Ok(()) | Err(NoAnswer::Ended))
            && let Some(entry) = self.roster.entries.get_mut(name)
        {
            entry.leaving = None;
        }
        given
    }

    async fn end_service(
        &mut self,
        name: &str,
        worker: usize,
        id: PortId,
        why: Reason,
    ) -> Result<(), NoAnswer> {
        if let Some(taken) = self.workers.withdraw(worker, id, why).await? {
            if let Some(entry) = self.roster.entries.get_mut(name) {
                entry.past.merge(&(&taken.last).into());
            }
            // Closing waits for the kernel's grace period: so it runs on another thread, and for all
            // ports at once when all of them go.
            let closing = tokio::task::spawn_blocking(move || taken.port.close());
            if self.stopping {
                self.closing.push(Closing { worker, id, closing });
                return Ok(());
            }
            let _ = closing.await;
        }
        self.workers.handle(worker)?.reclaim(id).await.map(drop)
    }

    /// Waits until the sockets of ports that left together are closed, and takes their frames back.
    pub(super) async fn end_closings(&mut self) {
        for Closing { worker, id, closing } in std::mem::take(&mut self.closing) {
            let _ = closing.await;
            if let Ok(handle) = self.workers.handle(worker) {
                let _ = handle.reclaim(id).await;
            }
        }
    }

    /// Waits until the worker has seen all steered frames: one may be on its way into the ring on
    /// another core while the program is detached.
    async fn settle(&self, name: &str, worker: usize) {
        let Some(entry) = self.roster.entries.get(name) else { return };
        let Ok(worker) = self.workers.handle(worker) else { return };
        let until = Instant::now() + gate::SETTLE;
        while Instant::now() < until {
            let program = self.program_counts(entry.slot);
            let Ok(snapshot) = worker.snapshot().await else { return };
            let mut counts = entry.past.clone();
            if let Some(port) = snapshot.ports.iter().find(|port| port.id == entry.id()) {
                counts.merge(&port.into());
            }
            if counts.arrived() >= program.steered {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn put_back_settings(&mut self, name: &str, ifindex: u32) {
        for error in self.settings.restore_port(ifindex) {
            tracing::error!(port = name, "a setting could not be put back: {error}");
        }
    }
}

/// Frames that a device has dropped so far; 0 if it does not report them.
fn dropped_by(ifindex: u32) -> u64 {
    let all = tx_dropped(Some(ifindex)).unwrap_or_default();
    all.get(&ifindex).copied().unwrap_or(0)
}

fn fill_quota(part: Part, name: &str, queues: u32) -> u32 {
    let quota = part.fill(queues);
    if quota < FILL_SCARCE {
        tracing::warn!(
            port = name,
            "the frame pool was made for fewer ports: this one gets {quota} frames, and may lose \
             bursts (fill_empty); restart weir to size the pool for the ports of now"
        );
    }
    quota
}
