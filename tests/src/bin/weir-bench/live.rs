//! XDP live frames into a native-mode port: the sender is never the limit, the worker is.
//!
//! The kernel runs a two-instruction program on core 0 that sends each frame out of the VM's end;
//! the far end of the path counts and drops in XDP.

use crate::rig::Rig;
use anyhow::{Context, Result, anyhow, ensure};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use system_tests::Guest;
use system_tests::bed::GUEST_IF;
use system_tests::cpu::{self, Busy};
use system_tests::observer::Observer;
use system_tests::traffic::raw;
use weir_port::probe::live_frames;
use weir_port::rawprog::{Action, Counter, Program};

/// Frames of the first call, which finds out how fast this machine sends.
const TRIAL: u32 = 1 << 20;
/// Starting a call waits for an RCU grace period (tens of milliseconds): the measurement is one
/// call, longer than the window by this much.
const MARGIN: f64 = 1.4;
const BATCH: u32 = 64;
const WARM_UP: Duration = Duration::from_millis(500);

/// Starting a call takes a while: fewer are not worth one, and more would be one long burst.
const CALL: std::ops::RangeInclusive<u64> = 2_000..=20_000;

/// What comes through where the worker is the limit.
pub(crate) fn run(rig: &Rig, time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let (guest, up) = (rig.bed.guest(0)?, &rig.bed.uplink);
    let sink = Observer::drain(&up.ns, GUEST_IF)?;
    let bounce = bounce(1)?;
    let ifindex = guest.ns.ifindex(GUEST_IF)?;
    let frame = udp_frame(guest, up);
    let (begun, begins) = mpsc::channel();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            guest.ns.run(move || {
                cpu::pin(0);
                let send = |count| {
                    live_frames(bounce.as_fd(), &frame, ifindex, count, BATCH)
                        .context("live frames")
                };
                let start = Instant::now();
                send(TRIAL)?;
                let per_second = f64::from(TRIAL) / start.elapsed().as_secs_f64();
                let seconds = (WARM_UP + time).as_secs_f64() * MARGIN;
                let count = (per_second * seconds).min(f64::from(i32::MAX)) as u32;
                let _ = begun.send(());
                let start = Instant::now();
                send(count)?;
                Ok((f64::from(count), start.elapsed()))
            })
        });
        // An error comes out of the sender's own result.
        let _ = begins.recv();
        std::thread::sleep(WARM_UP);
        let sampled = (|| -> Result<Vec<(&'static str, f64)>> {
            let (start, count_0, busy_0) = (Instant::now(), sink.total()?, Busy::now()?);
            std::thread::sleep(time);
            let (seconds, count_1, busy_1) =
                (start.elapsed().as_secs_f64(), sink.total()?, Busy::now()?);
            let delivered = (count_1 - count_0) as f64;
            let worker_us = busy_1.core_since(&busy_0, 1).as_secs_f64() * 1e6;
            Ok(vec![
                ("mpps", delivered / seconds / 1e6),
                ("core1_us_per_packet", worker_us / delivered.max(1.0)),
            ])
        })();
        let (sent, lasted) = sender.join().map_err(|_| anyhow!("the sender panicked"))??;
        ensure!(lasted > WARM_UP + time, "the sender ended before the measurement did");
        let mut values = sampled?;
        values.push(("offered_mpps", sent / lasted.as_secs_f64() / 1e6));
        Ok(values)
    })
}

/// What the kernel runs on each frame: back out, as the next of so many flows.
pub(crate) fn bounce(flows: u32) -> Result<Program> {
    let program = if flows > 1 {
        // It goes with the program.
        Program::next_flow(&Counter::new()?, flows, Action::Tx)
    } else {
        Program::always(Action::Tx)
    };
    program.context("the program that sends")
}

/// 64 bytes without the trailer, and without a checksum, which would be of one flow only.
pub(crate) fn udp_frame(from: &Guest, to: &Guest) -> Vec<u8> {
    let mut body = raw::udp4(from, to, (9, 9), &[0; 22]);
    if let Some(sum) = body.get_mut(26..28) {
        sum.fill(0);
    }
    raw::frame(to.mac(), from.mac(), &[], 0x0800, &body)
}

/// Sends a frame at a rate, in bursts that hold it over some milliseconds, until told to stop or
/// `most` are sent; counts into `sent`.
pub(crate) fn paced(
    from: &Guest,
    frame: &[u8],
    bounce: &Program,
    pps: u32,
    most: u64,
    (over, sent): (&AtomicBool, &AtomicU64),
) -> Result<()> {
    let ifindex = from.ns.ifindex(GUEST_IF)?;
    from.ns.run(|| {
        cpu::pin(0);
        let (start, mut own) = (Instant::now(), 0_u64);
        while !over.load(Ordering::Relaxed) && own < most {
            let due = ((start.elapsed().as_secs_f64() * f64::from(pps)) as u64).min(most) - own;
            if due < (*CALL.start()).min(most - own) {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            let count = due.min(*CALL.end());
            live_frames(bounce.as_fd(), frame, ifindex, count as u32, BATCH)
                .context("live frames")?;
            own += count;
            sent.fetch_add(count, Ordering::Relaxed);
        }
        Ok(())
    })
}
