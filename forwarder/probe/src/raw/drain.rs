//! The raw sink: a program at an interface that counts and takes the probe's frames. Invariant:
//! only frames from the probe's source port to the given port are taken; it detaches when it ends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use weir_port::clock_monotonic_ns;

use super::super::ProbeError;
use super::super::program::{Action, Attached, Counter, Hook, Program};
use super::super::report::{RawReport, VERSION};
use super::frame::patterns;

const LOOK: Duration = Duration::from_millis(2);

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
        let index = weir_port::sys::interface_index(interface)
            .map_err(failed("there is no such interface"))?;
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
        heard: &AtomicU64,
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
                heard.store(frames, Ordering::Relaxed);
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
