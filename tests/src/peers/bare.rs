//! A loop between two AF_XDP sockets in native mode, the first guest's port and the uplink's: the best
//! that a worker could be. Invariant: see the module above; the loop ends when it is dropped.

use crate::bed::UPLINK_PORT;
use crate::{Bed, Ns, cpu};
use anyhow::{Context, Result, anyhow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use weir_rig::bare::Bare as Sockets;
use weir_rig::{Hook, programs};

/// On its own pinned thread inside the host.
#[derive(Debug)]
pub struct Bare {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// Forwards from its return on.
    pub fn start(bed: &Bed, core: usize) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (ready, started) = mpsc::channel();
        let host = bed.host.path();
        let port = bed.guest(0)?.port.clone();
        let ports = [bed.host.ifindex(&port)?, bed.host.ifindex(UPLINK_PORT)?];
        let thread = std::thread::spawn(move || {
            let run = || -> Result<()> {
                Ns::enter(&host)?;
                cpu::pin(core);
                let mut sockets = Sockets::bind(&port, UPLINK_PORT)?;
                let mut programs = Vec::new();
                for (socket, ifindex) in sockets.fds().into_iter().zip(ports) {
                    let (mut program, mut map) = programs::to_socket()?;
                    map.set(0, socket)?;
                    programs.push(program.attach(ifindex, Hook::Native)?);
                }
                let _ = ready.send(Ok(()));
                sockets.run(|| stopped.load(Ordering::Relaxed));
                // Detached before the sockets close, as weir does.
                drop(programs);
                Ok(())
            };
            if let Err(error) = run() {
                let _ = ready.send(Err(error));
            }
        });
        let bare = Self { stop, thread: Some(thread) };
        started.recv().map_err(|_| anyhow!("the bare loop panicked"))?.context("the bare loop")?;
        Ok(bare)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
