//! A forwarder's life: checks, start, follow what changes, stop.
//!
//! Invariant: whatever ends the life, but a kill, ends it through [`Forwarder::stop`], so that
//! nothing is left attached and no setting changed.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Duration, MissedTickBehavior, interval};

use super::api::{self, Backend, BackendError, ControlSocket};
use super::config::ConfigErrors;
use super::forwarder::Forwarder;
use super::links::{Links, Watch, check_bridge};
use super::plan::Plan;
use super::privileges::check_privileges;
use super::report::{PortList, StatsReport};
use super::settings::HostSettings;

/// Events are followed as they come; this often the whole is compared, in case one was missed and
/// to try again what failed.
const COMPARE_EVERY: Duration = Duration::from_secs(2);

/// Runs until a signal says to stop.
pub async fn run(plan: Plan, force: bool) -> anyhow::Result<ExitCode> {
    check_privileges()?;
    let mut stop = Stop::listen()?;
    let control = plan.forwarder.control.clone();
    let socket = ControlSocket::claim(&control)?;
    let links = Links::open().context("the interfaces cannot be read")?;
    let mut watch = links.watch().await.context("the interfaces cannot be followed")?;
    if let Some(bridge) = &plan.bridge {
        check_bridge(watch.snapshot(), bridge)
            .map_err(|error| ConfigErrors::argument("--bridge", error.to_string(), ""))?;
    }
    let settings = HostSettings::open(&control)?;
    let mut forwarder = Forwarder::start(plan, settings, watch.snapshot(), force)?;
    // Not dropped half-way: what was begun is ended by `stop`, which undoes it.
    let begun = begin(&mut forwarder, &links, &watch).await;
    if let Err(error) = begun {
        let _ = forwarder.stop().await;
        return Err(error);
    }
    let (vifs, uplinks) = forwarder.counts();
    tracing::info!("forwarding between {vifs} vifs and {uplinks} uplinks");
    let shared = Arc::new(Shared(Mutex::new(forwarder)));
    let (close, closed) = oneshot::channel::<()>();
    let server = tokio::spawn(api::serve(socket, Arc::clone(&shared), async {
        let _ = closed.await;
    }));
    let ended = follow(&shared.0, &mut watch, &mut stop).await;
    let last = shared.0.lock().await.stop().await;
    let _ = close.send(());
    // It ends by itself within a bound, and what it did not answer is nobody's loss.
    let _ = server.await;
    if let Ok(last) = last {
        say_goodbye(&last);
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// What the API asks, it asks of the forwarder that `follow` changes.
struct Shared(Mutex<Forwarder>);

impl Backend for Shared {
    async fn stats(&self) -> Result<StatsReport, BackendError> {
        self.0.lock().await.stats().await.map_err(|error| BackendError(error.to_string()))
    }

    async fn ports(&self) -> Result<PortList, BackendError> {
        Ok(self.0.lock().await.ports())
    }
}

async fn begin(forwarder: &mut Forwarder, links: &Links, watch: &Watch) -> anyhow::Result<()> {
    // Interfaces that cannot be ports: shown where the file names them, all at once.
    let wrong = forwarder.check(watch.snapshot());
    let errors =
        wrong.into_iter().map(|(port, error)| ConfigErrors::port(&port, error.to_string(), ""));
    if let Some(errors) = errors.reduce(ConfigErrors::and) {
        bail!(errors);
    }
    if let Err((port, error)) = forwarder.take_in_all(watch.snapshot()).await {
        return Err(anyhow::Error::new(error).context(format!("port `{}`", port.name)));
    }
    // What the bridge knows already spares the first frames a flood.
    for entry in links.fdb().await.unwrap_or_default() {
        forwarder.hint(&entry);
    }
    Ok(())
}

/// Follows the interfaces until a signal comes.
async fn follow(
    forwarder: &Mutex<Forwarder>,
    watch: &mut Watch,
    stop: &mut Stop,
) -> anyhow::Result<()> {
    let mut compare = interval(COMPARE_EVERY);
    compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            signal = stop.requested() => {
                tracing::info!("{signal}: letting what is under way arrive");
                return Ok(());
            }
            event = watch.next() => {
                let event = event.context("the interfaces cannot be followed any more")?;
                forwarder.lock().await.heed(&event, watch.snapshot()).await;
            }
            _ = compare.tick() => {
                let mut forwarder = forwarder.lock().await;
                if !forwarder.worker_lives() {
                    bail!("the worker has ended; see the messages above");
                }
                forwarder.reconcile(watch.snapshot()).await;
            }
        }
    }
}

fn say_goodbye(last: &StatsReport) {
    let ledger = &last.ledger;
    tracing::info!(
        "stopped: received {} + copies {} = delivered {} + passed {} + lost {} + in flight {}{}",
        ledger.received,
        ledger.copies,
        ledger.delivered,
        ledger.passed,
        ledger.lost,
        ledger.in_flight,
        if ledger.balanced { "" } else { " (NOT balanced: please report it)" }
    );
}

/// The signals that end the life. The first asks for an orderly end, which takes a second at most.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn requested(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
