//! The control side's end of a worker: starts the thread, pins it, sends commands, awaits answers.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use tokio::sync::{mpsc::UnboundedSender, oneshot};
use weir_core::sched::Caps;
use weir_core::{EngineConfig, Mac, PortId, PortSettings};
use weir_port::{Cells, Pool, Port, TxFeatures};

use super::command::{Change, Command, FdbNews, NewPort, Taken};
use super::idle::IdlePolicy;
use super::snapshot::WorkerSnapshot;
use super::transfer::{Doorbell, Peers};
use super::turn::Worker;

/// The worker's thread has ended, so it cannot answer.
#[derive(Debug, thiserror::Error)]
#[error("the worker has stopped")]
pub struct WorkerGone;

#[derive(Debug)]
pub struct WorkerSettings {
    pub core: usize,
    pub idle: IdlePolicy,
    pub engine: EngineConfig,
    /// Shared by all workers.
    pub caps: Arc<Caps>,
    /// The program's shed bits, shared by all workers.
    pub shed: Cells,
    /// Who listens to what is learned.
    pub news: UnboundedSender<FdbNews>,
    /// Its ends of the rings to the other workers.
    pub peers: Peers,
}

#[derive(Debug)]
pub struct WorkerHandle<P> {
    commands: Sender<Command<P>>,
    bells: Arc<[Doorbell]>,
    index: usize,
    thread: Option<JoinHandle<()>>,
}

impl<P: Port + Send + 'static> WorkerHandle<P> {
    /// Starts a worker on its core. Fails where the core cannot be had.
    pub fn spawn(settings: WorkerSettings, pool: Pool) -> io::Result<Self> {
        let (commands, inbox) = channel();
        let (pinned, is_pinned) = channel();
        let (bells, index) = (settings.peers.bells(), settings.peers.index());
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
        match is_pinned.recv() {
            Ok(Ok(())) => Ok(Self { commands, bells, index, thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the worker's thread ended before it began")),
        }
    }

    fn send(&self, command: Command<P>) -> Result<(), WorkerGone> {
        self.commands.send(command).map_err(|_| WorkerGone)?;
        self.ring();
        Ok(())
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command<P>,
    ) -> Result<T, WorkerGone> {
        let (done, answer) = oneshot::channel();
        self.send(command(done))?;
        answer.await.map_err(|_| WorkerGone)
    }

    /// Hands a port to the worker; it is served when this returns.
    pub async fn add(&self, new: NewPort<P>) -> Result<(), WorkerGone> {
        self.ask(|done| Command::Add { new: Box::new(new), done }).await
    }

    /// Makes known a port that another worker serves.
    pub async fn add_remote(
        &self,
        id: PortId,
        settings: PortSettings,
        worker: usize,
    ) -> Result<(), WorkerGone> {
        self.ask(|done| Command::AddRemote { id, settings, worker, done }).await
    }

    /// Nothing more is handed over for this port when this returns.
    pub async fn remove_remote(&self, id: PortId) -> Result<(), WorkerGone> {
        self.ask(|done| Command::RemoveRemote { id, done }).await
    }

    /// New promises; they hold when this returns.
    pub async fn reshape(&self, change: Change) -> Result<(), WorkerGone> {
        self.ask(|done| Command::Reshape { change: Box::new(change), done }).await
    }

    /// Takes a port away from the worker.
    pub async fn take(&self, id: PortId) -> Result<Option<Box<Taken<P>>>, WorkerGone> {
        self.ask(|done| Command::Take { id, done }).await
    }

    /// Gives the frames back that a closed port's sockets held.
    pub async fn reclaim(&self, id: PortId) -> Result<usize, WorkerGone> {
        self.ask(|done| Command::Reclaim { id, done }).await
    }

    pub fn retune(&self, id: PortId, mtu: u32, features: TxFeatures) -> Result<(), WorkerGone> {
        self.send(Command::Retune { id, mtu, features })
    }

    pub fn learn(&self, mac: Mac, vlan: u16, port: PortId) -> Result<(), WorkerGone> {
        self.send(Command::Learn { mac, vlan, port })
    }

    pub async fn snapshot(&self) -> Result<Box<WorkerSnapshot>, WorkerGone> {
        self.ask(|done| Command::Snapshot { done }).await
    }

    /// Whether the thread still runs.
    pub fn lives(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the thread and waits for it.
    pub async fn stop(mut self) -> Result<Box<WorkerSnapshot>, WorkerGone> {
        let last = self.ask(|done| Command::Stop { done }).await?;
        if let Some(thread) = self.thread.take() {
            // It has answered its last command: joining takes no time worth yielding for.
            let _ = thread.join();
        }
        Ok(last)
    }
}

impl<P> Drop for WorkerHandle<P> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let (done, _) = oneshot::channel();
            let _ = self.commands.send(Command::Stop { done });
            self.ring();
            let _ = thread.join();
        }
    }
}

impl<P> WorkerHandle<P> {
    fn ring(&self) {
        if let Some(bell) = self.bells.get(self.index) {
            bell.ring();
        }
    }
}

/// Binds the calling thread to one core, and makes its sleeps end when they should: by default the
/// kernel lets a timer be 50 us late, which is a whole container on a gigabit link.
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
