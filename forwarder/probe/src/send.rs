//! The sender: open loop, by an absolute schedule. Invariant: nothing that happens to one datagram
//! moves the time at which the next is due. What the kernel refuses is counted and not sent (a
//! second try would come at a time nobody asked for); its number goes to the next, so that the
//! receiver does not count it as lost. Only at rate `max`, which has no schedule, is it tried again.

mod answers;
mod pump;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::answers::Answers;
use self::pump::Pump;
use super::rate::{Rate, frame_overhead};
use super::report::{SendReport, VERSION};
use super::sizes::Sizes;
use super::{ProbeError, socket};

/// What a process has open beside the flows' sockets, generously.
const OTHER_FILES: u64 = 64;

#[derive(Clone, Debug)]
pub struct Order {
    pub target: SocketAddr,
    pub bind: Option<IpAddr>,
    pub rate: Rate,
    /// So many are due together.
    pub burst: u64,
    pub sizes: Sizes,
    /// Each with a source port of its own; datagrams go to them in turn.
    pub flows: u16,
    pub count: Option<u64>,
    pub duration: Option<Duration>,
    pub core: Option<usize>,
    /// At most so many in one call, of what is due.
    pub batch: usize,
    /// Busy until the next is due, in place of asleep.
    pub spin: bool,
    /// How long it waits after the last datagram before it asks what came.
    pub settle: Duration,
}

impl Order {
    /// 1000 datagrams a second; adjust with struct update syntax.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        Self {
            target,
            bind: None,
            rate: Rate::pps(1000),
            burst: 1,
            sizes: Sizes::default(),
            flows: 1,
            count: None,
            duration: None,
            core: None,
            batch: 32,
            spin: false,
            settle: Duration::from_millis(300),
        }
    }

    /// What a frame has beside the payload.
    #[must_use]
    pub fn overhead(&self) -> u32 {
        frame_overhead(self.target.is_ipv6())
    }
}

/// Sends it all on the calling thread, and hears the answers on another.
pub fn send(order: &Order, stop: &AtomicBool) -> Result<SendReport, ProbeError> {
    let session = socket::session();
    socket::allow_files(u64::from(order.flows) + OTHER_FILES);
    let open = |_| socket::sender(order.target, order.bind);
    let sockets = (0..order.flows.max(1)).map(open).collect::<Result<Vec<_>, _>>()?;
    let answers = Answers::new(&sockets, session)?;
    let mut pump = Pump::new(order, &sockets, session);
    let done = AtomicBool::new(false);
    let elapsed_ns = std::thread::scope(|scope| {
        let listening = scope.spawn(|| answers.listen(&done));
        let pumped = pump.run(stop);
        if pumped.is_ok() {
            pump.unreachable += answers.ask(&pump.numbers, order.settle);
        }
        done.store(true, Ordering::Relaxed);
        let heard = listening.join();
        let panicked = |_| ProbeError::Refused("the thread that listens panicked".to_owned());
        pump.unreachable += heard.map_err(panicked)??;
        pumped
    })?;
    let (acknowledged, round_trips) = answers.report(&pump.numbers);
    Ok(SendReport {
        version: VERSION,
        kind: "send",
        target: order.target.to_string(),
        session: session.to_string(),
        flows: order.flows.into(),
        rate: order.rate.to_string(),
        size: order.sizes.to_string(),
        burst: order.burst,
        elapsed_ns,
        datagrams: pump.datagrams,
        bytes: pump.bytes,
        frame_bytes: pump.bytes + pump.datagrams * u64::from(order.overhead()),
        refused: pump.refused,
        overdue: pump.overdue,
        unreachable: pump.unreachable,
        lateness: pump.lateness,
        acknowledged,
        round_trips,
    })
}
