//! Mixed traffic with ports added and removed: ledger and census exact, memory flat.
//! Eight seconds by default; `WEIR_SOAK_S=60` is the acceptance run.

use anyhow::{Context, Result, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use system_tests::bed::Family;
use system_tests::drive::{ping_all, reachable};
use system_tests::traffic::{Pace, Source, ping, tcp};
use system_tests::{Bed, BedSpec, Weir, WeirSpec, cpu, root_or_skip};

/// Growth that is no leak: the allocator's slack and the log's lines.
const SLACK: u64 = 4 << 20;

fn duration() -> Duration {
    let seconds = std::env::var("WEIR_SOAK_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

#[test]
fn mixed_traffic_with_ports_coming_and_going() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(3).bridge().build()?;
    let weir = Weir::start(&bed, &WeirSpec::bridge())?;
    ping_all(&bed)?;
    let index = bed.add_guest()?;
    reachable(bed.guest(index)?, &bed.uplink, Duration::from_secs(5))?;
    let end = Instant::now() + duration();
    let over = AtomicBool::new(false);
    let (early, late) = std::thread::scope(|scope| -> Result<_> {
        let (bed, over) = (&bed, &over);
        let tcp_load = scope.spawn(move || tcp_until(bed, over));
        let ping_load = scope.spawn(move || ping_until(bed, over));
        let watched = come_and_go(bed, &weir, index, end);
        over.store(true, Ordering::Relaxed);
        tcp_load.join().map_err(|_| anyhow::anyhow!("TCP panicked"))??;
        ping_load.join().map_err(|_| anyhow::anyhow!("ping panicked"))??;
        watched
    })
    .with_context(|| format!("weir said:\n{}", weir.said()))?;
    println!("soak: resident {} KiB early, {} KiB at the end", early >> 10, late >> 10);
    ensure!(late <= early + early / 20 + SLACK, "memory grew from {early} to {late} bytes");
    let stats = weir.assert_ledger()?;
    println!("{:#}", stats["ledger"]);
    weir.stop()
}

/// Floods and steady flows while a guest is unplugged and plugged; returns the resident memory at
/// a quarter of the time and at the end.
fn come_and_go(bed: &Bed, weir: &Weir, index: usize, end: Instant) -> Result<(u64, u64)> {
    let start = Instant::now();
    let quarter = start + end.saturating_duration_since(start) / 4;
    let (two, three, guest) = (bed.guest(1)?, bed.guest(2)?, bed.guest(index)?);
    let mut early = None;
    let steady = Source { pace: Pace::Rate(5000), ..Source::to(three.socket(Family::V6, 9000)) };
    let _steady = steady.start(&two.ns)?;
    while Instant::now() < end {
        let to = bed.uplink.socket(Family::V4, 9000);
        let burst =
            Source { pace: Pace::FlatOut, size: 1000, ..Source::to(to) }.start(&guest.ns)?;
        std::thread::sleep(Duration::from_millis(400));
        bed.unplug(index)?;
        weir.wait_port(&guest.port, &["absent", "gone"])?;
        drop(burst);
        bed.replug(index)?;
        weir.wait_port(&guest.port, &["up"])?;
        reachable(guest, three, Duration::from_secs(5))?;
        if early.is_none() && Instant::now() >= quarter {
            early = Some(cpu::resident(weir.pid())?);
        }
    }
    let late = cpu::resident(weir.pid())?;
    Ok((early.unwrap_or(late), late))
}

fn tcp_until(bed: &Bed, over: &AtomicBool) -> Result<()> {
    let mut family = Family::V4;
    while !over.load(Ordering::Relaxed) {
        tcp(bed.guest(0)?, &bed.uplink, family, 2, Duration::from_secs(1), &[])?;
        family = if family == Family::V4 { Family::V6 } else { Family::V4 };
    }
    Ok(())
}

fn ping_until(bed: &Bed, over: &AtomicBool) -> Result<()> {
    while !over.load(Ordering::Relaxed) {
        // A flood may push an echo out of a queue; that is loss by a name, not silence.
        let _ = ping(&bed.guest(2)?.ns, bed.guest(0)?.addr(Family::V6), 5);
    }
    Ok(())
}
