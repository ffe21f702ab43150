//! A TCP connection that goes on in chunks until it is stopped, and whose receiver checks every byte.
//!
//! Invariant: each word of the stream is its own number, so a missing, doubled or misplaced byte is
//! found at its place.

use crate::bed::Family;
use crate::wait::{Halt, wait_for};
use crate::{Guest, StartedThread, cpu};
use anyhow::{Context, Result, anyhow, ensure};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const BLOCK: usize = 8 << 10;
/// A connection without progress for this long is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the sender sends.
#[derive(Debug, Clone, Copy)]
pub struct Chunks {
    /// The blocks of a chunk, each sent in one call.
    pub blocks: usize,
    pub every: Duration,
    /// The sender's core.
    pub core: Option<usize>,
}

/// Counted in blocks.
#[derive(Debug, Default)]
struct State {
    /// Held while a chunk is handed to the kernel.
    sending: Mutex<()>,
    sent: AtomicU64,
    received: AtomicU64,
}

#[derive(Debug)]
pub struct Stream {
    state: Arc<State>,
    sender: StartedThread<()>,
    receiver: StartedThread<()>,
}

impl Stream {
    pub fn start(from: &Guest, to: &Guest, chunks: Chunks) -> Result<Self> {
        let addr = to.socket(Family::V4, 0);
        let listener = to.ns.run(|| Ok(TcpListener::bind(addr)?))?;
        let addr = listener.local_addr()?;
        let near = from.ns.run(|| Ok(TcpStream::connect_timeout(&addr, PATIENCE)?))?;
        let (far, _) = listener.accept().context("cannot accept")?;
        near.set_write_timeout(Some(PATIENCE))?;
        far.set_read_timeout(Some(PATIENCE))?;
        let state = Arc::new(State::default());
        let (halt, one, two) = (Halt::default(), Arc::clone(&state), Arc::clone(&state));
        let sender = StartedThread::new(&halt, move |halt| send(near, chunks, &one, halt));
        let receiver = StartedThread::new(&halt, move |_| receive(far, &two));
        Ok(Self { state, sender, receiver })
    }

    /// Runs `f` while nothing of the connection is under way.
    pub fn while_quiet<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let _quiet = self.state.sending.lock().map_err(|_| anyhow!("the sender panicked"))?;
        let sent = self.state.sent.load(Ordering::Relaxed);
        wait_for(PATIENCE, "all that was sent on a connection", || {
            self.state.received.load(Ordering::Relaxed) == sent
        })?;
        f()
    }

    /// Ends it, and asserts that every byte has arrived, in its place. Returns how many.
    pub fn stop(mut self) -> Result<u64> {
        self.sender.ask();
        self.sender.join().context("the sender")?;
        self.receiver.join().context("the receiver")?;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed) * BLOCK as u64;
        let (sent, received) = (of(&self.state.sent), of(&self.state.received));
        ensure!(sent == received, "{received} of {sent} bytes came");
        Ok(sent)
    }
}

fn send(mut socket: TcpStream, chunks: Chunks, state: &State, halt: &Halt) -> Result<()> {
    if let Some(core) = chunks.core {
        cpu::pin(core);
    }
    let (mut word, mut due) = (0_u64, Instant::now());
    let mut chunk = vec![0_u8; chunks.blocks * BLOCK];
    while !halt.is_said() {
        for bytes in chunk.as_chunks_mut().0 {
            *bytes = word.to_be_bytes();
            word += 1;
        }
        {
            let _sending = state.sending.lock().map_err(|_| anyhow!("the other side panicked"))?;
            socket.write_all(&chunk).context("the connection broke at its sender")?;
            state.sent.fetch_add(chunks.blocks as u64, Ordering::Relaxed);
        }
        // A missed chunk is not made up for.
        due = (due + chunks.every).max(Instant::now());
        let _ = halt.wait_until(due);
    }
    socket.shutdown(Shutdown::Write).context("the connection broke at its end")
}

fn receive(mut socket: TcpStream, state: &State) -> Result<()> {
    let (mut word, mut block) = (0_u64, vec![0_u8; BLOCK]);
    loop {
        match socket.read_exact(&mut block) {
            Ok(()) => {}
            // A sender ends the connection between two blocks; a partial block shows in the sum.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error).context("the connection broke at its receiver"),
        }
        for bytes in block.as_chunks().0 {
            let came = u64::from_be_bytes(*bytes);
            ensure!(came == word, "word {came} came in the place of {word}");
            word += 1;
        }
        state.received.fetch_add(1, Ordering::Relaxed);
    }
}
