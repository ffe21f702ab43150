//! The control side's end of a worker: starts the thread, pins it, sends commands, awaits answers.
//!
//! Commands are taken in housekeeping, between two turns, so a frame never sees half a change. Every command
//! that changes something answers when it is done. A command whose sender no longer waits for the answer is
//! not carried out, so that nothing changes without the control side's knowledge.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use tokio::sync::oneshot;
use weir_core::{
    FlowRow, FlowSum, MAX_PORTS, PortId, PortSettings, Reason, SchedulerSettings, VifLatency,
};
use weir_port::{Pool, Port, TxFeatures};

use super::patience::{AnswerTimeout, NoAnswer};
use super::sleep::Doorbell;
use super::snapshot::{PortSnapshot, WorkerSnapshot};
use super::tap::Watcher;
use super::{Worker, WorkerSettings};

/// How long to wait for the end of a worker's thread; a thread that has not ended by then is abandoned.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// The number of commands that may wait for a worker: one for each port, which reading all latencies sends
/// before it waits, and some more. A worker with a full queue is not sent any more commands ([`NoAnswer::Full`]).
pub const COMMANDS: usize = MAX_PORTS + 256;

/// What a worker is to do, at the time of its chores.
pub type Command<P> = Box<dyn FnOnce(&mut Worker<P>, u64) + Send>;

/// A page of the flow table.
#[derive(Debug)]
pub struct FlowPage {
    /// The place to start at; in the answer, the place to continue at.
    pub from: Option<u32>,
    /// Whether to copy histograms, too.
    pub latency: bool,
    /// Filled within its capacity.
    pub rows: Vec<FlowRow>,
}

/// A port that was taken from a worker. The kernel may still own some of its frames: close the port, then
/// have them reclaimed ([`Asker::reclaim`]).
#[derive(Debug)]
pub struct Taken<P> {
    pub port: P,
    /// The port's last counters.
    pub last: PortSnapshot,
}

/// A change of settings while traffic flows. Ports that the worker does not know are skipped.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub ports: Vec<(PortId, PortSettings)>,
    pub scheduler: Option<SchedulerSettings>,
}

/// Sends commands to a worker without owning its thread. Several may exist at once.
#[derive(Debug)]
pub struct Asker<P> {
    commands: SyncSender<Command<P>>,
    bells: Arc<[Doorbell]>,
    index: usize,
    patience: AnswerTimeout,
}

#[derive(Debug)]
pub struct WorkerHandle<P> {
    asker: Asker<P>,
    thread: Option<JoinHandle<()>>,
}

impl<P: Port + Send + 'static> WorkerHandle<P> {
    /// Starts a worker on its core. Fails if the thread cannot be pinned to the core.
    pub fn spawn(settings: WorkerSettings, pool: Pool) -> io::Result<Self> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let (pinned, is_pinned) = sync_channel(1);
        let (bells, index) = (Arc::clone(&settings.peers.bells), settings.peers.index);
        let core = settings.core;
        let thread =
            std::thread::Builder::new().name(format!("weir-core{core}")).spawn(move || {
                let outcome = pin(core).map(|()| Worker::new(settings, pool, inbox));
                match outcome {
                    Ok(mut worker) => {
                        let _ = pinned.send(Ok(()));
                        worker.run();
                    }
                    Err(error) => {
                        let _ = pinned.send(Err(error));
                    }
                }
            })?;
        let ended = |_| Err(io::Error::other("the worker's thread ended before it began"));
        is_pinned.recv().unwrap_or_else(ended)?;
        let asker = Asker { commands, bells, index, patience: AnswerTimeout::with(core) };
        Ok(Self { asker, thread: Some(thread) })
    }

    /// A worker that never answers, and the receiver of its commands.
    #[cfg(test)]
    pub(crate) fn mute(core: usize) -> (Self, std::sync::mpsc::Receiver<Command<P>>) {
        let (commands, inbox) = sync_channel(COMMANDS);
        let patience = AnswerTimeout::with(core);
        let asker = Asker { commands, bells: Arc::from([]), index: 0, patience };
        (Self { asker, thread: None }, inbox)
    }

    /// A second sender of commands beside this handle.
    pub fn asker(&self) -> Asker<P> {
        self.asker.clone()
    }

    /// Whether the thread still runs.
    pub fn lives(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl<P> Drop for WorkerHandle<P> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.stop();
        let until = Instant::now() + ENDS_WITHIN;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        } else {
            let name = thread.thread().name().unwrap_or_default();
            tracing::error!("the worker {name} does not end, and is left behind");
        }
    }
}

impl<P> Asker<P> {
    fn send(&self, command: Command<P>) -> Result<(), NoAnswer> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => NoAnswer::Full { core: self.core() },
            TrySendError::Disconnected(_) => NoAnswer::Ended,
        })?;
        if let Some(bell) = self.bells.get(self.index) {
            bell.ring();
        }
        Ok(())
    }

    pub fn core(&self) -> usize {
        self.patience.core
    }

    /// Ends the thread. Frames that are still held are lost under `shutdown`.
    pub(super) fn stop(&self) {
        let _ = self.send(Box::new(|worker, _| worker.running = false));
    }
}

impl<P: Port + Send + 'static> Asker<P> {
    /// Sends a command that answers by the given sender. It is sent when this is called, so several can be
    /// sent before the first answer is awaited.
    fn ask_later<T, W>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<T, NoAnswer>> + Send + use<P, T, W>
    where
        T: Send + 'static,
        W: FnOnce(&mut Worker<P>, u64, oneshot::Sender<T>) + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let sent = self.send(Box::new(|worker, now_ns| {
            if !done.is_closed() {
                work(worker, now_ns, done);
            }
        }));
        let patience = self.patience.clone();
        async move {
            sent?;
            patience.wait(answer).await
        }
    }

    /// Sends a command whose result is the answer.
    fn ask<T, W>(&self, work: W) -> impl Future<Output = Result<T, NoAnswer>> + Send + use<P, T, W>
    where
        T: Send + 'static,
        W: FnOnce(&mut Worker<P>, u64) -> T + Send + 'static,
    {
        self.ask_later(|worker, now_ns, done| {
            let _ = done.send(work(worker, now_ns));
        })
    }

    /// Checks whether the worker answers.
    pub async fn ping(&self) -> Result<(), NoAnswer> {
        self.ask(|_, _| ()).await
    }

    /// Hands a port to the worker, which serves it when this returns.
    pub async fn add(&self, id: PortId, settings: PortSettings, port: P) -> Result<(), NoAnswer> {
        self.ask(move |worker, now_ns| worker.add(id, settings, port, now_ns)).await
    }

    /// Makes the worker take frames from a ring that ports share. `clearing` is the thread that finds out what
    /// the bridge has delivered.
    pub async fn gather(&self, port: P, clearing: Option<Thread>) -> Result<(), NoAnswer> {
        self.ask(|worker, _| worker.share_ring(port, clearing)).await
    }

    /// Announces a port that another worker serves: packets for it are handed over there.
    pub async fn add_remote(
        &self,
        id: PortId,
        settings: PortSettings,
        home: usize,
    ) -> Result<(), NoAnswer> {
        self.ask(move |worker, now_ns| worker.add_remote(id, settings, home, now_ns)).await
    }

    /// Ends the handing over for this port; when this returns, nothing more is handed over. What is queued
    /// for it here is lost under `why`.
    pub async fn remove_remote(&self, id: PortId, why: Reason) -> Result<(), NoAnswer> {
        self.ask(move |worker, now_ns| worker.remove_remote(id, why, now_ns)).await
    }

    /// Applies new settings, all of them between the same two turns.
    pub async fn reshape(&self, change: Change) -> Result<(), NoAnswer> {
        self.ask(move |worker, now_ns| worker.reshape(now_ns, &change)).await
    }

    /// Takes a port from the worker. What is in its receive ring is still forwarded; what still waits for it,
    /// or from it, is lost under `why`.
    pub async fn take(&self, id: PortId, why: Reason) -> Result<Option<Box<Taken<P>>>, NoAnswer> {
        self.ask_later(move |worker, now_ns, done| worker.take(id, now_ns, why, done)).await
    }

    /// Makes the worker take back the frames that a closed port's sockets held. Those that waited to be sent
    /// are lost under `port_gone`.
    pub async fn reclaim(&self, id: PortId) -> Result<usize, NoAnswer> {
        self.ask(move |worker, _| worker.pool.reclaim(id)).await
    }

    /// Tells the worker of changed properties of a device, without waiting for it.
    pub fn retune(&self, id: PortId, mtu: u32, features: TxFeatures) -> Result<(), NoAnswer> {
        self.send(Box::new(move |worker, _| {
            if let Some(lane) = worker.lanes.get_mut(id) {
                lane.port.retune(mtu, features);
            }
        }))
    }

    /// Makes the worker watch packets from now on, or no longer. Returns the previous watcher.
    pub async fn watch(
        &self,
        watcher: Option<Box<Watcher>>,
    ) -> Result<Option<Box<Watcher>>, NoAnswer> {
        self.ask(|worker, _| std::mem::replace(&mut worker.measure.watcher, watcher)).await
    }

    /// Reads the worker's whole report on itself.
    pub async fn snapshot(&self) -> Result<WorkerSnapshot, NoAnswer> {
        self.ask(|worker, now_ns| worker.snapshot(now_ns)).await
    }
}

/// What the measurements ask of a worker.
pub trait WorkerMeasures: Send + Sync + 'static {
    /// Takes what was recorded of a source's packets since the last call. The command is sent when this is
    /// called, not when the answer is awaited.
    fn take_latency(
        &self,
        id: PortId,
    ) -> impl Future<Output = Result<Box<VifLatency>, NoAnswer>> + Send;
    /// Fills a page of the flow table.
    fn flows(
        &self,
        page: Box<FlowPage>,
    ) -> impl Future<Output = Result<Box<FlowPage>, NoAnswer>> + Send;
    /// Reads the sums of flows that have no row.
    fn flow_sums(&self) -> impl Future<Output = Result<Vec<FlowSum>, NoAnswer>> + Send;
    fn forget_flows(&self) -> impl Future<Output = Result<(), NoAnswer>> + Send;
}

impl<P: Port + Send + 'static> WorkerMeasures for Asker<P> {
    fn take_latency(
        &self,
        id: PortId,
    ) -> impl Future<Output = Result<Box<VifLatency>, NoAnswer>> + Send {
        let fresh = Box::default();
        self.ask(move |worker, _| worker.measure.swap_latency(id, fresh))
    }

    async fn flows(&self, mut page: Box<FlowPage>) -> Result<Box<FlowPage>, NoAnswer> {
        self.ask(|worker, _| {
            let FlowPage { from, latency, rows } = &mut *page;
            *from = from.and_then(|at| worker.measure.flows.copy_rows(at, *latency, rows));
            page
        })
        .await
    }

    async fn flow_sums(&self) -> Result<Vec<FlowSum>, NoAnswer> {
        self.ask(|worker, _| worker.measure.flows.sums()).await
    }

    async fn forget_flows(&self) -> Result<(), NoAnswer> {
        self.ask(|worker, _| worker.measure.flows.forget()).await
    }
}

impl<P> Clone for Asker<P> {
    fn clone(&self) -> Self {
        let Self { commands, bells, index, patience } = self;
        let (commands, patience) = (commands.clone(), patience.clone());
        Self { commands, bells: Arc::clone(bells), index: *index, patience }
    }
}

impl<P> std::ops::Deref for WorkerHandle<P> {
    type Target = Asker<P>;
    fn deref(&self) -> &Asker<P> {
        &self.asker
    }
}

/// Binds the calling thread to one core and sets its timer slack to the minimum. By default the kernel lets a
/// timer be 50 us late, which is a whole container on a gigabit link.
fn pin(core: usize) -> io::Result<()> {
    set_current_timer_slack(NonZeroU64::new(1))?;
    let mut cores = CpuSet::new();
    if core >= CpuSet::MAX_CPU {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    cores.set(core);
    sched_setaffinity(None, &cores)
        .map_err(|e| io::Error::new(e.kind(), format!("core {core} cannot be had: {e}")))
}
