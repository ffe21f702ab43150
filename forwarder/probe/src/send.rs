//! The sender: open loop, by an absolute schedule. Invariant: nothing that happens to one datagram
//! moves the time at which the next is due. A datagram that the kernel refuses is counted and not sent:
//! a second attempt would come at a time outside the schedule. Its number goes to the next datagram, so
//! that the receiver does not count it as lost. Only at rate `max`, which has no schedule, is it tried
//! again.

mod answers;
mod pump;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use self::answers::Answers;
use self::pump::Pump;
use super::rate::{Rate, frame_overhead};
use super::report::SendReport;
use super::sizes::Sizes;
use super::{ProbeError, socket};

/// An allowance for files of a process beside the flows' sockets.
const OTHER_FILES: u64 = 64;

#[derive(Clone, Debug)]
pub struct Order {
    pub target: SocketAddr,
    pub bind: Option<IpAddr>,
    pub rate: Rate,
    /// This many datagrams are due together.
    pub burst: u64,
    pub sizes: Sizes,
    /// Each with a source port of its own; datagrams go to them in turn.
    pub flows: u16,
    pub count: Option<u64>,
    pub duration: Option<Duration>,
    /// How long past `duration` a late sender may catch up on datagrams that were due within it.
    pub grace: Duration,
    pub core: Option<usize>,
    /// The most due datagrams in one call.
    pub batch: usize,
    /// Spin until the next is due, instead of sleeping.
    pub spin: bool,
    /// How long to wait after the last datagram before requesting the receiver's counts.
    pub settle: Duration,
    pub front: Front,
}

/// The beginning of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// A [`Header`](super::wire::Header): the receiver knows the session, and answers.
    Header,
    /// A [`Stamp`](super::wire::Stamp) of this flow: it fits the smallest frame, and a program in the kernel
    /// can read it.
    Stamp { flow: u16 },
    /// Nothing: the cheapest.
    Blank,
}

/// Datagrams of each flow that the kernel has accepted so far; only the sender writes.
pub type Progress = [AtomicU64];

pub fn numbers(progress: &Progress) -> Vec<u64> {
    progress.iter().map(|sent| sent.load(Ordering::Relaxed)).collect()
}

impl Order {
    /// 1000 datagrams a second; adjust with struct update syntax.
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
            grace: Duration::from_secs(1),
            core: None,
            batch: 32,
            spin: false,
            settle: Duration::from_millis(300),
            front: Front::Header,
        }
    }

    /// Bytes of a frame beside the payload.
    pub fn overhead(&self) -> u32 {
        frame_overhead(self.target.is_ipv6())
    }
}

/// Sends on the calling thread by connected sockets, to one after the other; does not request the
/// receiver's counts. The sockets are the flows, wherever they lead: the order's own target and number
/// of flows do not matter.
pub fn send_by(
    sockets: &[UdpSocket],
    order: &Order,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<SendReport, ProbeError> {
    let mut pump = Pump::new(order, sockets, socket::session(), progress);
    pump.run(stop)?;
    Ok(pump.report)
}

/// Sends on the calling thread, and receives answers on another.
pub fn send(order: &Order, stop: &AtomicBool) -> Result<SendReport, ProbeError> {
    send_measured(order, stop).map(|(report, _)| report)
}

/// The same, with the processor time that both threads took.
pub fn send_measured(
    order: &Order,
    stop: &AtomicBool,
) -> Result<(SendReport, Duration), ProbeError> {
    let session = socket::session();
    socket::allow_files(u64::from(order.flows) + OTHER_FILES);
    let open = |_| socket::sender(order.target, order.bind);
    let sockets = (0..order.flows.max(1)).map(open).collect::<Result<Vec<_>, _>>()?;
    let answers = Answers::new(&sockets, session)?;
    let progress: Vec<AtomicU64> = sockets.iter().map(|_| AtomicU64::new(0)).collect();
    let mut pump = Pump::new(order, &sockets, session, &progress);
    let done = AtomicBool::new(false);
    let before = thread_time();
    let listened = std::thread::scope(|scope| {
        let listening = scope.spawn(|| answers.listen(&done).map(|told| (told, thread_time())));
        let pumped = pump.run(stop);
        if pumped.is_ok() {
            pump.report.unreachable += answers.ask(&numbers(&progress), order.settle);
        }
        done.store(true, Ordering::Relaxed);
        let panicked = |_| ProbeError::Refused("the thread that listens panicked".to_owned());
        let (told, listened) = listening.join().map_err(panicked)??;
        pump.report.unreachable += told;
        pumped.map(|()| listened)
    })?;
    let took = thread_time().saturating_sub(before) + listened;
    let mut report = pump.report;
    (report.acknowledged, report.round_trips) = answers.trips().report(&numbers(&progress));
    Ok((report, took))
}

/// Processor time of the calling thread.
pub fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
