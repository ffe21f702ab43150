//! Frames past the kernel's stack. The source has the kernel send one frame repeatedly (XDP live
//! frames) or, if it refuses that, sends it by an AF_XDP socket; the sink ([`Drain`]) is a program at an
//! interface that counts and takes the probe's frames.
//!
//! Invariant: all frames of a run are the same, so that only their number matters. The source counts
//! what was handed over for sending; only the other end can tell whether the device had room for it. The
//! sink takes only frames from the probe's source port to the given port, and detaches when it ends.

pub mod frame;

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::libc;
use weir_abi::Meta;
use weir_core::PortId;
use weir_port::probe::live_frames;
use weir_port::{Pool, Port, Refused, XskConfig, XskPort, clock_monotonic_ns, sys};

use self::frame::patterns;
use super::program::{Action, Attached, Counter, Hook, Program};
use super::rate::{Rate, Schedule};
use super::report::{RawReport, VERSION};
use super::{ProbeError, nanos, socket};

/// Frames that the kernel handles at a time.
const BATCH: u32 = 64;
/// Frames of the first call. Each call takes tens of milliseconds to begin, so later calls are sized to
/// last for [`CALL_NS`].
const TRIAL: u64 = 1 << 14;
const CALL_NS: u64 = 250_000_000;
/// The most frames of one call, and the pause if a rate leaves time.
const MOST: u64 = 1 << 24;
const NAP: Duration = Duration::from_millis(1);
/// Frames of a beam's call at a rate: fewer are not worth a call, and more would be one long burst.
const BURST: std::ops::RangeInclusive<u64> = 2_000..=20_000;

/// Frames of the AF_XDP socket's pool.
const FRAMES: u32 = 4096;
const SLOT: PortId = PortId(0);
/// How long the device may take to send the frames in the ring.
const DRAIN_NS: u64 = 1_000_000_000;
/// How often the sink reads its counter.
const LOOK: Duration = Duration::from_millis(2);

#[derive(Clone, Debug)]
pub struct RawOrder {
    pub interface: String,
    pub frame: Vec<u8>,
    pub rate: Rate,
    pub count: Option<u64>,
    pub duration: Option<Duration>,
    pub core: Option<usize>,
    /// Do not try live frames.
    pub af_xdp: bool,
}

/// Compares the frames that are due with those that were sent.
struct Meter<'a> {
    order: &'a RawOrder,
    schedule: Schedule,
    began_ns: u64,
    sent: u64,
    end_ns: u64,
}

impl<'a> Meter<'a> {
    fn new(order: &'a RawOrder) -> Self {
        Self {
            order,
            schedule: Schedule::new(order.rate, 1),
            began_ns: clock_monotonic_ns(),
            sent: 0,
            end_ns: order.duration.map_or(u64::MAX, nanos),
        }
    }

    fn elapsed_ns(&self) -> u64 {
        clock_monotonic_ns() - self.began_ns
    }

    /// How many frames are due now, at most `most`; `None` when all are sent.
    fn due(&self, most: u64, stop: &AtomicBool) -> Option<u64> {
        let now = self.elapsed_ns();
        let left = self.order.count.map_or(u64::MAX, |count| count - self.sent);
        if left == 0 || stop.load(Ordering::Relaxed) {
            return None;
        }
        let due = match self.order.rate {
            Rate::Max if now >= self.end_ns => return None,
            Rate::Max => most,
            _ => {
                let size = self.order.frame.len() as u64;
                // Whatever is due now is due before the next nanosecond.
                let due = self.schedule.planned((now + 1).min(self.end_ns), size);
                if due == self.sent && now >= self.end_ns {
                    return None;
                }
                due - self.sent
            }
        };
        Some(due.min(most).min(left))
    }
}

/// Sends on the calling thread.
pub fn send(order: &RawOrder, stop: &AtomicBool) -> Result<RawReport, ProbeError> {
    socket::ready_thread(order.core)?;
    let mut meter = Meter::new(order);
    let (way, because) = if order.af_xdp {
        af_xdp(&mut meter, stop)?;
        ("af-xdp", None)
    } else {
        match live(&mut meter, stop) {
            Ok(()) => ("live-frames", None),
            Err(error) if meter.sent == 0 && is_refusal(&error) => {
                meter = Meter::new(order);
                af_xdp(&mut meter, stop)?;
                ("af-xdp", Some(format!("the kernel refused XDP live frames: {error}")))
            }
            Err(error) => return Err(ProbeError::io("XDP live frames")(error)),
        }
    };
    Ok(RawReport {
        version: VERSION,
        kind: "raw-send",
        interface: order.interface.clone(),
        way,
        instead_because: because,
        frames: meter.sent,
        frame_size: order.frame.len() as u64,
        elapsed_ns: meter.elapsed_ns(),
    })
}

/// Kernels before 5.18 do not know the flag; some are configured to refuse it.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [libc::EPERM, libc::EACCES, libc::EINVAL, libc::EOPNOTSUPP, libc::ENOTSUP];
    error.raw_os_error().is_some_and(|errno| refusals.contains(&errno))
}

fn live(meter: &mut Meter<'_>, stop: &AtomicBool) -> io::Result<()> {
    let bounce = Program::count(Action::Tx)?;
    let index = sys::interface_index(&meter.order.interface)?;
    let mut most = TRIAL;
    while let Some(due) = meter.due(most, stop) {
        if due == 0 {
            std::thread::sleep(NAP);
            continue;
        }
        let start = clock_monotonic_ns();
        live_frames(bounce.as_fd(), &meter.order.frame, index, due as u32, BATCH)?;
        meter.sent += due;
        let took = (clock_monotonic_ns() - start).max(1);
        let at_this_speed = u128::from(due) * u128::from(CALL_NS) / u128::from(took);
        most = u64::try_from(at_this_speed).unwrap_or(MOST).clamp(TRIAL, MOST);
    }
    Ok(())
}

/// Sends live frames by a program of the caller's until `end`, on the calling thread; the program
/// counts them. Without a rate one call sends everything: a signal to this thread ends it.
pub fn beam(
    program: &Program,
    frame: &[u8],
    ifindex: u32,
    pps: Option<f64>,
    end: Instant,
    stop: &AtomicBool,
) -> io::Result<()> {
    let (begin, mut sent) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) && Instant::now() < end {
        let count = match pps {
            None => u64::from(i32::MAX.unsigned_abs()),
            Some(pps) => {
                let due = (begin.elapsed().as_secs_f64() * pps) as u64 - sent;
                if due < *BURST.start() {
                    std::thread::sleep(NAP);
                    continue;
                }
                due.min(*BURST.end())
            }
        };
        match live_frames(program.as_fd(), frame, ifindex, count as u32, BATCH) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => sent += count,
        }
    }
    Ok(())
}

fn af_xdp(meter: &mut Meter<'_>, stop: &AtomicBool) -> Result<(), ProbeError> {
    let name = &meter.order.interface;
    let refused = |why: String| ProbeError::Refused(format!("{name}: {why}"));
    let index = sys::interface_index(name).map_err(ProbeError::io(name.as_str()))?;
    let (mut pool, umem) = Pool::umem(FRAMES).map_err(|error| refused(error.to_string()))?;
    let config = XskConfig { fill_quota: 1, ..XskConfig::new(name, index, SLOT) };
    let mut port = XskPort::bind(&umem, config).map_err(|error| refused(error.to_string()))?;
    while let Some(due) = meter.due(u64::from(BATCH), stop) {
        let mut put = 0;
        while put < due {
            let Some(packet) = pool.compose(&meter.order.frame, &Meta::default()) else { break };
            match port.send(&mut pool, packet) {
                Ok(()) => put += 1,
                Err(Refused::Full(packet)) => {
                    pool.release(packet);
                    break;
                }
                Err(Refused::Lost(packet, reason)) => {
                    pool.release(packet);
                    return Err(refused(format!("the frame cannot be sent: {reason:?}")));
                }
            }
        }
        meter.sent += put;
        port.kick(&mut pool);
        if port.complete(&mut pool) == 0 && put == 0 {
            std::thread::sleep(NAP);
        }
    }
    let start = clock_monotonic_ns();
    while port.tx_outstanding() > 0 && clock_monotonic_ns() - start < DRAIN_NS {
        port.kick(&mut pool);
        port.complete(&mut pool);
    }
    // Frames that the device has not taken by now never left.
    meter.sent -= port.tx_outstanding() as u64;
    port.close();
    pool.reclaim(SLOT);
    Ok(())
}

/// Attached, and counting.
#[derive(Debug)]
pub struct Drain {
    interface: String,
    counter: Counter,
    _attached: Attached,
}

impl Drain {
    pub fn attach(interface: &str, port: u16) -> Result<Self, ProbeError> {
        let failed = |what: &str| ProbeError::io(format!("{interface}: {what}"));
        let mut program = Program::matching(patterns(port), Action::Drop, Action::Pass)
            .map_err(failed("the counting program does not load (it takes root)"))?;
        let counter = program.counter().map_err(failed("the counting program"))?;
        let index =
            sys::interface_index(interface).map_err(failed("there is no such interface"))?;
        let native = program.attach(index, Hook::Native);
        let attached = native.or_else(|_| program.attach(index, Hook::Skb)).map_err(failed(
            "the counting program cannot be attached (is another there? `weir doctor` says)",
        ))?;
        Ok(Self { interface: interface.to_owned(), counter, _attached: attached })
    }

    /// Counts until `stop` is set, the time is over, or `count` frames have come. The reported time is
    /// from the first to the last frame, within 2 ms.
    pub fn run(
        &self,
        stop: &AtomicBool,
        duration: Option<Duration>,
        count: Option<u64>,
    ) -> Result<RawReport, ProbeError> {
        let began = clock_monotonic_ns();
        let (mut first, mut last, mut frames) = (None, began, 0);
        loop {
            let total = self.counter.total().map_err(ProbeError::io("reading the counter"))?;
            let now = clock_monotonic_ns();
            if total > frames {
                first.get_or_insert(now);
                (last, frames) = (now, total);
            }
            let over = duration.is_some_and(|time| u128::from(now - began) >= time.as_nanos());
            let enough = count.is_some_and(|count| frames >= count);
            if over || enough || stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        Ok(RawReport {
            version: VERSION,
            kind: "raw-sink",
            interface: self.interface.clone(),
            way: "xdp",
            instead_because: None,
            frames,
            frame_size: 0,
            elapsed_ns: last - first.unwrap_or(last),
        })
    }
}
