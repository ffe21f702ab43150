//! Taking a port into service and out of it.
//!
//! Invariant: in, the program is attached last; out, it is detached first, and the worker empties
//! the sockets before they are closed. A step that fails undoes the ones before it.

use std::time::{Duration, Instant};

use weir_abi::{PortConfig, port_flags};
use weir_core::PortRole;
use weir_port::{Attach, XskConfig, XskPort, ethtool};

use super::Forwarder;
use super::roster::{Active, State};
use crate::control::attach::{self, AttachError, Attached, MapsError, WantedMode};
use crate::control::links::{GuardError, Link, Snapshot, check_port};
use crate::control::plan::{Fallback, Mode, PortPlan, Role};
use crate::control::settings::{SettingsError, Wanted};
use crate::worker::{NewPort, WorkerGone};

/// How long a port that is taken out waits for what was steered to reach the worker.
const SETTLE: Duration = Duration::from_millis(50);
/// Twice a receive ring.
const FILL_QUOTA: u32 = 4096;
/// Fewer than this do not bridge the time between two turns of a busy worker.
const FILL_SCARCE: u32 = 256;

#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Maps(#[from] MapsError),
    #[error("its sockets could not be bound: {0}")]
    Bind(#[from] weir_port::BindError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Worker(#[from] WorkerGone),
    #[error("`{name}`: all {max} places for ports are taken")]
    Full { name: String, max: u32 },
}

impl Forwarder {
    /// Takes an interface into service. What was done is undone when a step fails.
    pub(super) async fn take_in(
        &mut self,
        plan: &PortPlan,
        links: &Snapshot,
        transient: bool,
    ) -> Result<(), PortError> {
        let link = check_port(links, &plan.name, plan.role.into(), self.force)?.clone();
        self.make_room();
        let full = || PortError::Full { name: plan.name.clone(), max: weir_abi::MAX_PORTS };
        let entry = self.roster.enlist(plan, transient).ok_or_else(full)?;
        entry.driver = link.driver.clone().unwrap_or_default();
        entry.mtu = link.mtu;
        let slot = entry.slot;

        let applied = self.settings.apply(&link, Wanted::for_link(&link), self.force)?;
        for change in &applied.changed {
            tracing::debug!(port = plan.name, "{change}");
        }
        for warning in &applied.warnings {
            tracing::warn!(port = plan.name, "{}; {}", warning.text, warning.fix);
        }
        // Attached before its configuration is known, the program leaves every frame alone: so
        // what mode the driver takes is found out without a frame being touched.
        let served = match self.probe_mode(plan.mode, &link) {
            Ok(attached) => self.serve(plan, &link, links, slot, attached).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = served {
            self.put_back_settings(&plan.name, link.ifindex);
            return Err(error);
        }
        Ok(())
    }

    /// Attaches the program in the mode asked for. It does nothing yet: see `serve`.
    fn probe_mode(&mut self, mode: Mode, link: &Link) -> Result<Attached, AttachError> {
        let wanted = match mode {
            Mode::Auto => WantedMode::Auto,
            Mode::Skb => WantedMode::Only(attach::Mode::Skb),
            Mode::Native => WantedMode::Only(attach::Mode::Native),
        };
        self.steering.attach_as(link.ifindex, &link.name, wanted, link.prefers_skb_mode())
    }

    /// Binds the sockets, hands them to the worker, and only then tells the program of the port.
    async fn serve(
        &mut self,
        plan: &PortPlan,
        link: &Link,
        links: &Snapshot,
        slot: u16,
        attached: Attached,
    ) -> Result<(), PortError> {
        let id = weir_core::PortId(slot);
        let mode = attached.mode;
        let features = ethtool::tx_features(&link.name).unwrap_or_default();
        let queues = link.rx_queues.clamp(1, weir_abi::MAX_QUEUES);
        let config = XskConfig {
            queues,
            mode: match mode {
                attach::Mode::Skb => Attach::Skb,
                attach::Mode::Native => Attach::Native,
            },
            mtu: link.mtu,
            tx_features: features,
            overhear: is_shared(link),
            fill_quota: self.fill_quota(&plan.name, queues).await?,
            ..XskConfig::new(&link.name, link.ifindex, id)
        };
        let umem = self.umem.clone();
        let port = tokio::task::spawn_blocking(move || XskPort::bind(&umem, config))
            .await
            .map_err(|_| WorkerGone)??;
        for (queue, socket) in port.xsk_fds() {
            self.steering.set_socket(slot, queue, socket)?;
        }
        self.lock(slot, plan)?;
        let role = match plan.role {
            Role::Uplink => PortRole::Uplink,
            Role::Vif => PortRole::Vif,
        };
        self.worker.add(NewPort { id, role, queue_bytes: plan.queue_bytes, port }).await?;
        if let Some(entry) = self.roster.get_mut(&plan.name) {
            entry.active = Some(Active {
                ifindex: link.ifindex,
                mode,
                queues,
                superframes: features.tso4,
                shared: is_shared(link),
                attached: Some(attached),
            });
            entry.state = State::Up;
        }
        let config = port_config(plan, link, links, slot, mode);
        if let Err(error) = self.steering.configure_port(link.ifindex, config) {
            self.take_out(&plan.name, State::Failed(error.to_string())).await;
            return Err(error.into());
        }
        tracing::info!(port = plan.name, role = %plan.role, %mode, queues, "in service");
        Ok(())
    }

    /// How many frames one queue may hold ready: what it can use, or half of what is left, so that
    /// there is always something for the next port.
    async fn fill_quota(&self, name: &str, queues: u32) -> Result<u32, WorkerGone> {
        let census = self.worker.snapshot().await?.census;
        let spare = census.free.saturating_sub(census.total / 8) / 2;
        let quota = u32::try_from(spare).unwrap_or(u32::MAX) / queues;
        if quota < FILL_SCARCE {
            tracing::warn!(
                port = name,
                "the frame pool was made for fewer ports: this one gets {quota} frames, and may \
                 lose bursts (fill_empty); restart weir to size the pool for the ports of now"
            );
        }
        Ok(quota.clamp(64, FILL_QUOTA))
    }

    fn lock(&mut self, slot: u16, plan: &PortPlan) -> Result<(), MapsError> {
        plan.mac_lock.iter().try_for_each(|&mac| self.steering.allow_mac(slot, mac))?;
        plan.ip_lock.iter().try_for_each(|&address| self.steering.allow_ip(slot, address))
    }

    /// Takes a port out of service, whatever state its interface is in.
    pub(super) async fn take_out(&mut self, name: &str, state: State) {
        let Some(entry) = self.roster.get_mut(name) else { return };
        let (slot, id) = (entry.slot, entry.id());
        if let Some(mut active) = entry.active.take() {
            self.detach(active.ifindex, slot, active.queues, active.attached.take());
            self.settle(name, slot).await;
            if let Ok(Some(taken)) = self.worker.take(id).await {
                if let Some(entry) = self.roster.get_mut(name) {
                    entry.past.absorb(&taken.last);
                }
                // Closing waits for the kernel's grace period: not on this thread.
                let _ = tokio::task::spawn_blocking(move || taken.port.close()).await;
                let _ = self.worker.reclaim(id).await;
            }
            self.put_back_settings(name, active.ifindex);
            tracing::info!(port = name, state = state.name(), "out of service");
        }
        self.roster.mark_gone(name, state);
    }

    /// The program's half of taking a port out. What is gone with its interface needs no undoing,
    /// so failures are only worth a debug line.
    fn detach(&mut self, ifindex: u32, slot: u16, queues: u32, attached: Option<Attached>) {
        if let Some(attached) = attached
            && let Err(error) = self.steering.detach(attached)
        {
            tracing::debug!(ifindex, "detaching: {error}");
        }
        let forgotten = self.steering.forget_port(ifindex);
        let cleared = (0..queues).try_for_each(|queue| self.steering.clear_socket(slot, queue));
        if let Err(error) = forgotten.and(cleared) {
            tracing::debug!(ifindex, "{error}");
        }
    }

    /// Detaches the program everywhere; frames go by the kernel from here on.
    pub(super) fn silence(&mut self) {
        for name in self.roster.names() {
            let Some(entry) = self.roster.get_mut(&name) else { continue };
            let slot = entry.slot;
            let Some(active) = entry.active.as_mut() else { continue };
            let (ifindex, queues) = (active.ifindex, active.queues);
            let attached = active.attached.take();
            self.detach(ifindex, slot, queues, attached);
        }
    }

    /// Waits until the worker has seen what the program had steered: a frame may be on its way
    /// into the ring on another core while the program is detached.
    async fn settle(&self, name: &str, slot: u16) {
        let until = Instant::now() + SETTLE;
        while Instant::now() < until {
            let program = self.program_books(slot);
            let Some(entry) = self.roster.get(name) else { return };
            let Ok(snapshot) = self.worker.snapshot().await else { return };
            let mut books = entry.past.clone();
            if let Some(port) = snapshot.ports.iter().find(|port| port.id == entry.id()) {
                books.absorb(port);
            }
            if books.arrived() >= program.steered {
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

    /// Forgets ports that are long gone, so that their slots can be used again.
    fn make_room(&mut self) {
        while let Some(name) = self.roster.to_strike_off() {
            let Some(entry) = self.roster.get(&name) else { return };
            let (slot, plan) = (entry.slot, entry.plan.clone());
            let program = self.program_books(slot);
            self.roster.strike_off(&name, &program);
            let mut cleared = self.steering.reset_slot(slot);
            for mac in plan.mac_lock {
                cleared = cleared.and(self.steering.revoke_mac(slot, mac));
            }
            for address in plan.ip_lock {
                cleared = cleared.and(self.steering.revoke_ip(slot, address));
            }
            if let Err(error) = cleared {
                tracing::warn!(port = name, "{error}");
            }
        }
    }

    /// The device changed: what the worker and the program know of it is renewed.
    pub(super) fn retune(&mut self, name: &str, link: &Link, links: &Snapshot) {
        let Some(entry) = self.roster.get_mut(name) else { return };
        entry.mtu = link.mtu;
        let Some(active) = entry.active.as_mut() else { return };
        let features = ethtool::tx_features(&link.name).unwrap_or_default();
        active.superframes = features.tso4;
        let config = port_config(&entry.plan, link, links, entry.slot, active.mode);
        let id = entry.id();
        if let Err(error) = self.steering.configure_port(link.ifindex, config) {
            tracing::warn!(port = name, "{error}");
        }
        let _ = self.worker.retune(id, link.mtu, features);
    }
}

/// Whether the interface is the host's own as well, with no bridge to serve both: then the host is
/// left the group frames, and the guests get copies.
pub(super) fn is_shared(link: &Link) -> bool {
    link.bridge().is_none() && !link.addresses.is_empty()
}

fn port_config(
    plan: &PortPlan,
    link: &Link,
    links: &Snapshot,
    slot: u16,
    mode: attach::Mode,
) -> PortConfig {
    let bridge = link.bridge().and_then(|bridge| links.get(bridge));
    let mut flags = 0;
    let mut set = |on: bool, flag: u16| flags |= if on { flag } else { 0 };
    set(plan.fallback == Fallback::Drop, port_flags::FALLBACK_DROP);
    set(mode == attach::Mode::Skb, port_flags::SKB_MODE);
    set(!plan.mac_lock.is_empty(), port_flags::MAC_LOCK);
    set(!plan.ip_lock.is_empty(), port_flags::IP_LOCK);
    set(bridge.is_some() || is_shared(link), port_flags::BRIDGED);
    PortConfig::new(slot, flags, link.mac, bridge.map_or([0; 6], |bridge| bridge.mac))
}
