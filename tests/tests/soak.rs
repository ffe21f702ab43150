//! Mixed load: floods, TCP, paced flows, ports that come and go, weights that change every second, and
//! constant requests. At the end, ledger and census are exact, memory is flat, and there is no file
//! descriptor or thread more than after the warm-up.
//!
//! Eight seconds by default. `WEIR_SOAK_S=1800` is the acceptance run: it reports its state every
//! minute, and holds memory to 1 %.

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use system_tests::bed::{Family, UPLINK_PORT};
use system_tests::cpu::Footprint;
use system_tests::drive::{ping_all, reachable};
use system_tests::traffic::{Rate, Source, ping, tcp};
use system_tests::{Bed, BedSpec, Weir, WeirSpec, root_or_skip, wait_for};
use weir_api::client::wait;
use weir_api::{Client, ClientError, FlowQuery, LatencyQuery};

/// Growth that is no leak if there was no time to warm up: the allocator's slack, the log's lines, and
/// the histograms of new flows.
const SLACK: u64 = 16 << 20;
/// Flows end after a minute of silence. A shorter warm-up than this is not conclusive.
const WARM: Duration = Duration::from_secs(120);
const WARMEST: Duration = Duration::from_secs(300);
const MINUTE: Duration = Duration::from_secs(60);

type Question = fn(&Client) -> Result<(), ClientError>;

/// The requests, in turn.
const QUESTIONS: [Question; 7] = [
    |weir| wait(weir.stats()).map(drop),
    |weir| wait(weir.ports()).map(drop),
    |weir| wait(weir.latency(LatencyQuery::default())).map(drop),
    |weir| wait(weir.latency(LatencyQuery { histograms: true, reset: false })).map(drop),
    |weir| wait(weir.flows(&FlowQuery { top: Some(20), ..FlowQuery::default() })).map(drop),
    |weir| {
        let query = FlowQuery { histograms: true, top: Some(5), ..FlowQuery::default() };
        wait(weir.flows(&query)).map(drop)
    },
    |weir| wait(weir.config()).map(drop),
];
const FREE: Duration = Duration::from_secs(20);

fn duration() -> Duration {
    let seconds = std::env::var("WEIR_SOAK_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

/// The work of one thread until the end.
type Load<T> = fn(&T) -> Result<()>;

/// Threads of the pool for blocking work are kept for a while, and a short warm-up sees a random number of
/// them. A thread that leaked with each plugging would exceed this.
const POOL_SPARE: u64 = 2;

/// All concurrent loads, and what their threads share.
struct Soak<'a> {
    bed: &'a Bed,
    weir: &'a Weir,
    /// The guest that comes and goes.
    index: usize,
    start: Instant,
    lasts: Duration,
    over: AtomicBool,
    /// Read-locked by each request; write-locked, no request has a connection open.
    asking: RwLock<()>,
}

#[test]
fn mixed_traffic_with_ports_coming_and_going() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(3).bridge().build()?;
    let weir = Weir::start(&bed, &WeirSpec::bridge())?;
    ping_all(&bed)?;
    let index = bed.add_guest()?;
    reachable(bed.guest(index)?, &bed.uplink, Duration::from_secs(5))?;
    let soak = Soak {
        bed: &bed,
        weir: &weir,
        index,
        start: Instant::now(),
        lasts: duration(),
        over: AtomicBool::new(false),
        asking: RwLock::new(()),
    };
    let (early, late) = soak.run().with_context(|| format!("weir said:\n{}", weir.said()))?;
    println!("soak: {early} early, {late} at the end");
    let allowed =
        if soak.warm_up() >= WARM { early.resident / 100 } else { early.resident / 20 + SLACK };
    ensure!(late.resident <= early.resident + allowed, "memory grew: {early}, then {late}");
    soak.unrate()?;
    // The server closes a connection that ended just now in its own time.
    let same = || {
        let now = Footprint::of(weir.pid())?;
        let threads = early.threads + POOL_SPARE;
        Ok::<_, anyhow::Error>(now.files == early.files && now.threads <= threads)
    };
    wait_for(Duration::from_secs(20), "as many files and threads as after the warm-up", || {
        same().unwrap_or(false)
    })
    .with_context(|| format!("{early} early, now {:?}", Footprint::of(weir.pid())))?;
    let stats = weir.assert_ledger()?;
    println!("{:#?}", stats.ledger);
    weir.stop()
}

impl Soak<'_> {
    fn warm_up(&self) -> Duration {
        (self.lasts / 4).min(WARMEST)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// weir's resources after the warm-up, and at the end.
    fn run(&self) -> Result<(Footprint, Footprint)> {
        let loads: [(&str, Load<Self>); 5] = [
            ("TCP", Self::connections),
            ("ping", Self::echoes),
            ("re-weighting", Self::weights),
            ("asking", Self::questions),
            ("capturing", Self::captures),
        ];
        std::thread::scope(|scope| {
            let threads: Vec<_> = loads
                .into_iter()
                .map(|(name, load)| (name, scope.spawn(move || self.bear(load))))
                .collect();
            let watched = self.come_and_go();
            self.over.store(true, Ordering::Relaxed);
            for (name, thread) in threads {
                thread.join().map_err(|_| anyhow!("{name} panicked"))?.context(name)?;
            }
            watched
        })
    }

    /// A load that fails ends the run: the results without it say little.
    fn bear(&self, load: Load<Self>) -> Result<()> {
        let result = load(self);
        self.over.store(true, Ordering::Relaxed);
        result
    }

    /// Floods and steady flows while a guest is unplugged and plugged.
    fn come_and_go(&self) -> Result<(Footprint, Footprint)> {
        let Self { bed, weir, index, .. } = *self;
        let (two, three, guest) = (bed.guest(1)?, bed.guest(2)?, bed.guest(index)?);
        let steady = Source {
            rate: Rate::pps(5000),
            time: self.lasts * 2,
            ..Source::to(three.socket(Family::V6, 9000))
        };
        let _steady = steady.start(&two.ns)?;
        let (mut early, mut told) = (None, self.start);
        let mut threads = 0;
        while self.start.elapsed() < self.lasts && !self.is_over() {
            let to = bed.uplink.socket(Family::V4, 9000);
            let burst =
                Source { rate: Rate::Max, size: 1000, ..Source::to(to) }.start(&guest.ns)?;
            std::thread::sleep(Duration::from_millis(400));
            bed.unplug(index)?;
            weir.wait_port(&guest.port, &["absent", "gone"])?;
            drop(burst);
            bed.replug(index)?;
            weir.wait_port(&guest.port, &["up"])?;
            reachable(guest, three, Duration::from_secs(5))?;
            if early.is_none() {
                // Idle threads end after a while: the largest number counts.
                threads = Footprint::of(weir.pid())?.threads.max(threads);
                if self.start.elapsed() >= self.warm_up() {
                    early = Some(Footprint { threads, ..self.footprint()? });
                }
            }
            if told.elapsed() >= MINUTE {
                told = Instant::now();
                self.tell()?;
            }
        }
        let late = self.footprint()?;
        Ok((early.unwrap_or(late), late))
    }

    /// A link with a rate has a program that charges it, and so one more file.
    fn unrate(&self) -> Result<()> {
        self.weir.patch(&json!({ "ports": { UPLINK_PORT: { "rate": null } } })).map(drop)
    }

    /// While no request has a connection open, the last ones are closed at the other end, too, and no
    /// link has a rate.
    fn footprint(&self) -> Result<Footprint> {
        let _nobody_asks = self.asking.write().map_err(|_| anyhow!("who asked panicked"))?;
        self.unrate()?;
        let mut least = Footprint::of(self.weir.pid())?;
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(20));
            let now = Footprint::of(self.weir.pid())?;
            least =
                if now.files < least.files { now } else { Footprint { files: least.files, ..now } };
        }
        Ok(least)
    }

    /// Printed past the harness's capture, so that the progress of a run of half an hour shows.
    fn tell(&self) -> Result<()> {
        let ledger = self.weir.stats()?.ledger;
        let _ = writeln!(
            std::io::stderr(),
            "soak: {:5} s, {} frames received, {} delivered, {} lost, {}",
            self.start.elapsed().as_secs(),
            ledger.received,
            ledger.delivered,
            ledger.lost,
            Footprint::of(self.weir.pid())?,
        );
        Ok(())
    }

    fn connections(&self) -> Result<()> {
        let mut family = Family::V4;
        while !self.is_over() {
            let (from, to) = (self.bed.guest(0)?, &self.bed.uplink);
            tcp(from, to, family, 2, Duration::from_secs(1), &[])?;
            family = if family == Family::V4 { Family::V6 } else { Family::V4 };
        }
        Ok(())
    }

    fn echoes(&self) -> Result<()> {
        while !self.is_over() {
            // A flood may push an echo out of a queue; that is a loss with a reason.
            let to = self.bed.guest(0)?.addr(Family::V6);
            let _ = ping(&self.bed.guest(2)?.ns, to, 5);
        }
        Ok(())
    }

    /// Other weights every second, and a rate for the uplink every other.
    fn weights(&self) -> Result<()> {
        let mut nth = 0_u64;
        while self.pause(Duration::from_secs(1)) {
            nth += 1;
            let rate = if nth.is_multiple_of(2) { Value::Null } else { json!("2Gbit") };
            let weight = |vm: u64| json!({ "weight": 1 + (nth * vm) % 30 });
            let _asking = self.asking.read().map_err(|_| anyhow!("who measured panicked"))?;
            self.weir.patch(&json!({
                "ports": {
                    "v1": weight(1), "v2": weight(7), "v3": weight(11), UPLINK_PORT: {"rate": rate}
                }
            }))?;
        }
        Ok(())
    }

    fn questions(&self) -> Result<()> {
        let (client, mut questions) = (self.weir.client(), QUESTIONS.iter().cycle());
        while self.pause(Duration::from_millis(50)) {
            let _asking = self.asking.read().map_err(|_| anyhow!("who measured panicked"))?;
            questions.next().map_or(Ok(()), |ask| ask(&client))?;
        }
        Ok(())
    }

    /// A capture now and then, which its client leaves in the middle.
    fn captures(&self) -> Result<()> {
        while self.pause(Duration::from_secs(2)) {
            let _asking = self.asking.read().map_err(|_| anyhow!("who measured panicked"))?;
            // weir notices a client's end in its own time, between two parts.
            wait_for(FREE, "the place of the capture before", || {
                wait(async {
                    let mut packets = self.weir.client().capture("").await?;
                    let read = async { while let Ok(Some(_)) = packets.next().await {} };
                    let _ = tokio::time::timeout(Duration::from_millis(300), read).await;
                    Ok(())
                })
                .is_ok()
            })?;
        }
        Ok(())
    }

    /// Waits, but not past the end; false when the end has come.
    fn pause(&self, time: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < time && !self.is_over() {
            std::thread::sleep(Duration::from_millis(20));
        }
        !self.is_over()
    }
}
