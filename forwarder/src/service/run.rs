//! A forwarder's life: checks, start, following changes, stop.
//!
//! Invariant: every end except a kill goes through [`Forwarder::stop`], so that nothing stays attached
//! and no setting stays changed, except gates that the next weir is to adopt. A signal to end takes
//! effect at any time, and from then on every wait is bounded: a stalled worker, or a holder of the
//! forwarder's lock, delays the end by a few seconds.

mod bridge;
mod ending;
mod notify;
mod pair;
mod shared;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep_until};
use weir_port::{XskPort, clock_monotonic_ns};

pub use self::ending::Ending;
use self::ending::{End, WORK_ENDS, summary, write_dumps};
use self::notify::Notifier;
use self::shared::Shared;
use super::api::{self, ControlSocket};
use super::forwarder::{ApplyError, Forwarder, wrong_ports};
use crate::host::bridge::refresh::period;
use crate::host::bridge::state::{Address, Change};
use crate::host::bridge::watch::BridgeWatch;
use crate::host::links::{Changed, GuardError, Links, LinksError, Watch, check_bridge};
use crate::host::privileges::check_privileges;
use crate::host::settings::HostSettings;
use crate::observe::dump::files;
use crate::observe::metrics;
use crate::observe::watch::WatchSlot;
use crate::worker::{Asker, NoAnswer};
use weir_schema::{ConfigErrors, Difference, Plan, PortPlan};

/// Events are followed as they come. This often everything is compared, in case an event was missed,
/// and to retry what failed.
const COMPARE_EVERY: Duration = Duration::from_secs(2);
/// How long a capture or trace may take to end when the forwarder does.
const WATCH_ENDS: Duration = Duration::from_secs(2);
/// How long the forwarder's end waits for the holder of its lock: changes have ended by then, or given
/// up.
const LOCK_WITHIN: Duration = WORK_ENDS.saturating_add(Duration::from_secs(2));

/// Reads the configuration file again; `None` without one.
pub type Reread = Option<Box<ReadPlan>>;
type ReadPlan = dyn Fn() -> Result<Plan, ConfigErrors> + Send + Sync;

/// Runs until a signal says to stop.
///
/// With `dumps`, the measurements are left in that folder. A failure to write them is logged and does
/// not change the exit code, which is about the forwarding.
pub async fn run(
    plan: Plan,
    force: bool,
    reread: Reread,
    dumps: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    check_privileges()?;
    if let Some(folder) = &dumps {
        // Checked now, while it can still be mended, not when the numbers are ready.
        files::make_folder(folder).map_err(|error| {
            let valid = "valid: a folder that is there, or can be made";
            ConfigErrors::argument("--dump-dir", format!("{error:#}"), valid)
        })?;
    }
    let end = End::listen()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let control = plan.forwarder.control.clone();
    let socket = ControlSocket::claim(&control)?;
    let scraped = match plan.forwarder.metrics {
        Some(address) => Some(metrics::claim(address).await?),
        None => None,
    };
    let links = Links::open().context("the interfaces cannot be read")?;
    let mut watch = links.watch().await.context("the interfaces cannot be followed")?;
    if let Some(bridge) = &plan.bridge {
        check_bridge(watch.snapshot(), bridge)
            .map_err(|error| ConfigErrors::argument("--bridge", error.to_string(), ""))?;
    }
    let settings = HostSettings::open(&control)?;
    let named = plan.ports.iter().filter(|port| !port.of_bridge).cloned();
    if let Some(errors) = located(wrong_ports(named, watch.snapshot(), force)) {
        bail!(errors);
    }
    let bridge = bridge::bridge_for(&plan, watch.snapshot(), force).await?;
    if bridge.own {
        // The bridge may have just been made, and the ports' membership with it.
        watch = links.watch().await.context("the interfaces cannot be followed")?;
    }
    let mut bridge_watch =
        BridgeWatch::open(bridge.ifindex).await.context("the bridge cannot be read")?;
    let mut forwarder = Forwarder::start(plan, settings, bridge, watch.snapshot(), force)?;
    // If the start is cut short, `stop` undoes what was begun.
    let begun = end.bound(begin(&mut forwarder, &mut watch, &bridge_watch)).await;
    if let None | Some(Err(_)) = begun {
        let _ = forwarder.stop(end.ending(), false).await;
        return begun.unwrap_or(Ok(())).map(|()| ExitCode::SUCCESS);
    }
    let (vifs, uplinks) = forwarder.counts();
    tracing::info!("forwarding between {vifs} vifs and {uplinks} uplinks");
    let (pulses, pins) = (forwarder.pulses.clone(), forwarder.steering.pins.clone());
    let measured = Arc::clone(&forwarder.measured);
    let forwarder = Arc::new(Mutex::new(forwarder));
    let slot = Arc::new(WatchSlot::default());
    let shared = Arc::new(Shared {
        forwarder: Arc::clone(&forwarder),
        measured,
        links: links.clone(),
        slot: Arc::clone(&slot),
        end: end.clone(),
    });
    let (close, closed) = tokio::sync::watch::channel(());
    let scraping = scraped.map(|listener| {
        if let Ok(address) = listener.local_addr() {
            tracing::info!("metrics are on http://{address}/metrics");
        }
        tokio::spawn(metrics::serve(listener, Arc::clone(&shared), until(closed.clone())))
    });
    let server = tokio::spawn(api::serve(socket, shared, until(closed)));
    let manager = Arc::new(Notifier::of_environment());
    manager.ready((vifs, uplinks));
    let alive = tokio::spawn(Arc::clone(&manager).keep_alive(pulses));
    let follow = follow(
        &forwarder,
        (&mut watch, &mut bridge_watch),
        &end,
        &mut hangup,
        &reread,
        (&links, &manager),
    );
    let ended = end.bound(follow).await.unwrap_or(Ok(()));
    alive.abort();
    manager.stopping();
    let Ok(mut locked) = tokio::time::timeout(LOCK_WITHIN, forwarder.lock()).await else {
        if let Some(pins) = pins {
            pins.close();
        }
        bail!(
            "a change has not ended within {LOCK_WITHIN:?}: weir ends without its books; the \
             programs go with it, and what it changed of the host's settings is put back when it \
             is started again"
        );
    };
    let last = locked.stop(end.ending(), dumps.is_some()).await;
    drop(locked);
    // So a capture or trace ends in order, and its client gets a whole file.
    let _ = tokio::time::timeout(WATCH_ENDS, slot.close()).await;
    let _ = close.send(());
    // The servers end by themselves within a bound, and closed connections tell their clients.
    let _ = server.await;
    if let Some(scraping) = scraping {
        let _ = scraping.await;
    }
    match (last, dumps) {
        (Ok(last), dumps) => {
            tracing::info!("stopped: {}", summary(&last.stats.ledger));
            if let Some(folder) = dumps {
                write_dumps(&last, &folder);
            }
        }
        (Err(error), Some(_)) => tracing::error!("nothing is dumped: {error}"),
        (Err(error), None) => tracing::error!("stopped without the end of the books: {error}"),
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// The start, up to the moment in which the forwarder is ready. What an earlier weir left goes on until
/// everything is in its place.
async fn begin(
    forwarder: &mut Forwarder,
    watch: &mut Watch,
    bridge: &BridgeWatch,
) -> anyhow::Result<()> {
    forwarder.open_gate().await?;
    forwarder.take_in_all(watch.snapshot()).await?;
    forwarder.look_for_foreign_rules(bridge.state()).await;
    forwarder.mirror(bridge.state());
    if forwarder.has_gates_to_adopt() {
        // The old gates hand frames over; the new ones must do so from their first frame on.
        let ports = forwarder.paths_to_read(&Changed::all());
        let found = watch.look(&ports).await;
        forwarder.set_paths(&ports, found);
    }
    forwarder.adopt_gates().await;
    forwarder.settings.end_expediting();
    Ok(())
}

/// Resolves when the servers are to end.
async fn until(mut closed: tokio::sync::watch::Receiver<()>) {
    let _ = closed.changed().await;
}

/// Follows the interfaces, the workers and the operator until a signal says to end.
async fn follow(
    forwarder: &Mutex<Forwarder>,
    (watch, bridge): (&mut Watch, &mut BridgeWatch),
    end: &End,
    hangup: &mut Signal,
    reread: &Reread,
    (links, manager): (&Links, &Notifier),
) -> anyhow::Result<()> {
    let mut compare = interval(COMPARE_EVERY);
    compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut refresh_at = Instant::now() + period(bridge.state());
    let (workers, mut late) = (forwarder.lock().await.workers.askers(), BTreeSet::new());
    let newcomers = Arc::clone(&forwarder.lock().await.gate.newcomers);
    let mut own_pair =
        forwarder.lock().await.gate.pair.watch().context("weir's own pair cannot be followed")?;
    loop {
        // Signals come first. Among the rest, guests can make the bridge learn any number of addresses,
        // so no event source precedes another; the rare comparison precedes all.
        let rest = async {
            tokio::select! {
                changed = watch.next() => Wakeup::Links(changed),
                changes = bridge.next() => Wakeup::Bridge(changes),
                () = newcomers.notified() => Wakeup::Newcomer,
            }
        };
        let rest = tokio::select! {
            biased;
            () = end.requested() => return Ok(()),
            _ = hangup.recv() => Wakeup::Reread,
            _ = compare.tick() => Wakeup::Compare,
            () = sleep_until(refresh_at) => Wakeup::Refresh,
            rest = rest => rest,
        };
        match rest {
            Wakeup::Reread => {
                manager.reloading();
                reload(forwarder, reread, links).await;
                manager.ready(forwarder.lock().await.counts());
            }
            Wakeup::Links(changed) => {
                let changed = changed.context("the interfaces cannot be followed any more")?;
                if changed.concerns(own_pair.ifindex()) {
                    pair::look(&mut own_pair, forwarder).await?;
                }
                read_paths(forwarder, watch, &changed).await;
                let mut forwarder = forwarder.lock().await;
                if changed.snapshot {
                    keep_attached(&mut forwarder, links).await;
                    forwarder.reconcile(watch.snapshot()).await;
                    bridge::keep_up(&mut forwarder, watch.snapshot(), bridge).await;
                    forwarder.mirror(bridge.state());
                }
                forwarder.retune_changed(&changed, watch.snapshot());
            }
            Wakeup::Bridge(changes) => {
                let changes = changes.context("the bridge cannot be followed any more")?;
                forwarder.lock().await.apply_bridge_changes(&changes, bridge.state());
            }
            Wakeup::Newcomer => {
                read_paths(forwarder, watch, &Changed::default()).await;
                let mut forwarder = forwarder.lock().await;
                forwarder.look_for_foreign_rules(bridge.state()).await;
                forwarder.mirror(bridge.state());
            }
            Wakeup::Compare => {
                check_workers(&workers, &mut late).await;
                watch.refresh().await.context("the interfaces cannot be followed any more")?;
                pair::look(&mut own_pair, forwarder).await?;
                read_paths(forwarder, watch, &Changed::all()).await;
                let mut forwarder = forwarder.lock().await;
                if !forwarder.workers.live() {
                    bail!("a worker has ended; see the messages above");
                }
                keep_attached(&mut forwarder, links).await;
                forwarder.reconcile(watch.snapshot()).await;
                bridge::keep_up(&mut forwarder, watch.snapshot(), bridge).await;
                forwarder.review_addresses(bridge.state());
                forwarder.confirm_current();
                forwarder.look_for_foreign_rules(bridge.state()).await;
            }
            Wakeup::Refresh => {
                // Always set again: a time that is past would be ready at once, for ever.
                refresh_at = Instant::now() + period(bridge.state());
                let forwarder = forwarder.lock().await;
                let seen = |address: &Address| forwarder.last_seen_ns(address);
                let round = bridge.refresh(clock_monotonic_ns(), seen)?;
                tracing::trace!(?round, "addresses are kept alive");
            }
        }
    }
}

/// Logs each worker that stops answering, and each that answers again, once; `late` are the cores of
/// those that did not answer the last time.
async fn check_workers(workers: &[Asker<XskPort>], late: &mut BTreeSet<usize>) {
    for worker in workers {
        match worker.ping().await {
            Err(error @ NoAnswer::Late { .. }) => {
                if late.insert(worker.core()) {
                    tracing::error!("{error}: the fallback of its ports applies");
                }
            }
            answer => {
                if late.remove(&worker.core()) && answer.is_ok() {
                    tracing::warn!("the worker on core {} answers again", worker.core());
                }
            }
        }
    }
}

/// Checks whether the programs are still attached: the kernel does not report a detachment.
async fn keep_attached(forwarder: &mut Forwarder, links: &Links) {
    match links.programs().await {
        Ok(programs) => forwarder.keep_attached(&programs).await,
        Err(error) => tracing::debug!("{error}"),
    }
}

/// Reads the express paths to the ports that may have changed, and those that are not known yet. The
/// forwarder is not locked during requests to the kernel.
async fn read_paths(forwarder: &Mutex<Forwarder>, watch: &mut Watch, changed: &Changed) {
    let ports = forwarder.lock().await.paths_to_read(changed);
    if ports.is_empty() {
        return;
    }
    let found = watch.look(&ports).await;
    forwarder.lock().await.set_paths(&ports, found);
}

/// Why `follow` goes on, apart from a signal to end.
enum Wakeup {
    /// The operator asked for the file to be read again.
    Reread,
    /// Interfaces, or express paths to ports, may have changed.
    Links(Result<Changed, LinksError>),
    Bridge(Result<Vec<Change>, LinksError>),
    Compare,
    /// Addresses that the bridge no longer sees must be kept alive.
    Refresh,
    /// A newly served port needs the bridge's state.
    Newcomer,
}

/// Makes the file's plan the forwarder's, and logs the result of each change.
async fn reload(forwarder: &Mutex<Forwarder>, reread: &Reread, links: &Links) {
    let Some(reread) = reread else {
        tracing::warn!("SIGHUP: there is no file to read again: weir was started with --bridge");
        return;
    };
    match apply_file(forwarder, reread, links).await {
        Ok(differences) if differences.is_empty() => {
            tracing::info!("SIGHUP: what the file says is so already");
        }
        Ok(differences) => {
            for difference in differences {
                tracing::info!("{difference}");
            }
        }
        Err(error) => tracing::error!("SIGHUP: nothing is changed\n{error:#}"),
    }
}

async fn apply_file(
    forwarder: &Mutex<Forwarder>,
    reread: &ReadPlan,
    links: &Links,
) -> anyhow::Result<Vec<Difference>> {
    let plan = reread()?;
    let links = links.snapshot().await?;
    match forwarder.lock().await.apply(plan, &links).await {
        Err(ApplyError::Ports(wrong)) => match located(wrong) {
            Some(errors) => bail!(errors),
            None => Ok(Vec::new()),
        },
        applied => Ok(applied?),
    }
}

/// Reports interfaces that cannot be ports where the file names them, all at once.
fn located(wrong: Vec<(PortPlan, GuardError)>) -> Option<ConfigErrors> {
    let errors =
        wrong.into_iter().map(|(port, error)| ConfigErrors::port(&port, error.to_string(), ""));
    errors.reduce(ConfigErrors::and)
}
