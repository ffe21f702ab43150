//! The worker itself is the limit: the link has no rate, and the receiver's kernel spends more time on each
//! frame, on the worker's core, than floods leave. What a VM below its share sends then arrives whole.

use anyhow::{Result, ensure};
use std::time::Duration;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::drive::{ping_all, udp_exact};
use system_tests::observer::{At, By, Keep, Watch};
use system_tests::traffic::{Rate, Source};
use system_tests::{BedSpec, Weir, WeirSpec, ledger, root_or_skip, wait_for};

const SOON: Duration = Duration::from_secs(20);
/// At most 50,000 frames a second pass.
const SPENDS_NS: u32 = 20_000;
const SCHEDULED: &str = "lane = \"scheduled\"";

#[test]
fn a_vm_below_its_share_of_a_saturated_worker_loses_nothing() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let spec = ["v1", "v2", "v3"]
        .iter()
        .fold(WeirSpec::default(), |spec, port| spec.port(port, SCHEDULED));
    let weir = Weir::start(&bed, &spec)?;
    ping_all(&bed)?;
    bed.learn_neighbours()?;
    let (polite, up) = (bed.guest(2)?, &bed.uplink);
    let keep = Keep::Only(polite.number);
    let watch = Watch::start_by(By::SourceMac, &up.ns, GUEST_IF, None, keep, At::Tcx, SPENDS_NS)?;
    let flood =
        Source { rate: Rate::Max, time: 3 * SOON, ..Source::to(up.socket(Family::V4, 9000)) };
    let mut floods = Vec::new();
    for guest in [bed.guest(0)?, bed.guest(1)?] {
        floods.push(flood.clone().start(&guest.ns)?);
    }
    wait_for(SOON, "the worker to say that it is the limit", || {
        weir.stats().is_ok_and(|stats| {
            let is_limit = stats.worker.iter().any(|worker| worker.limited.is_notable());
            let is_shed = |port| ledger::port_lost(&stats, port, "shed") > 100;
            is_limit && is_shed("v1") && is_shed("v2")
        })
    })?;
    for family in [Family::V4, Family::V6] {
        udp_exact(polite, up, family, 300, 1000)?;
    }
    drop(floods);
    for guest in [bed.guest(0)?, bed.guest(1)?] {
        ensure!(watch.from(guest)?.frames > 0, "a flood was cut off, not held down");
    }
    drop(watch);
    let stats = weir.assert_ledger()?;
    let lost = &stats.port(&polite.port).map(|port| port.losses.clone());
    ensure!(lost.as_ref().is_some_and(|lost| lost.is_empty()), "{lost:?} of the polite VM");
    weir.stop()
}
