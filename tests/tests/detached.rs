//! Another process detaches weir's program from an interface in native mode, or replaces it. (The gate
//! is one of several at its hook: `gate_life`.)

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::drive::{ping_all, reachable, udp_exact};
use system_tests::{Bed, BedSpec, Weir, WeirSpec, root_or_skip, wait_for};
use weir_api::State;
use weir_rig::links::take_off;
use weir_rig::{Action, Attached, Hook, Program};

const SOON: Duration = Duration::from_secs(10);

fn program_on(bed: &Bed, name: &str) -> Result<Value> {
    Ok(bed.host.link(name)?["xdp"]["prog"]["id"].clone())
}

fn take_off_of(bed: &Bed, name: &str) -> Result<()> {
    let ifindex = bed.host.ifindex(name)?;
    bed.host.run(|| take_off(ifindex).context("nothing to take off"))
}

/// The port's state, and its problem.
fn state(weir: &Weir, name: &str) -> Result<(State, String)> {
    let port = weir.ports()?.port(name).cloned().context("no such port")?;
    Ok((port.state, port.problem.unwrap_or_default()))
}

#[test]
fn a_program_that_was_taken_off_is_attached_again() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec { mode: "native", ..WeirSpec::default() })?;
    ping_all(&bed)?;
    let ours = program_on(&bed, "v1")?;
    ensure!(ours.is_u64(), "{ours}");
    take_off_of(&bed, "v1")?;
    wait_for(SOON, "it to be attached again", || program_on(&bed, "v1").ok() == Some(ours.clone()))
        .with_context(|| weir.said())?;
    weir.wait_said("its XDP program was detached from outside")?;
    weir.wait_port("v1", &["up"])?;
    reachable(bed.guest(0)?, bed.guest(1)?, SOON)?;
    udp_exact(bed.guest(0)?, bed.guest(1)?, Family::V4, 300, 200)?;

    // The second time it is not attached at once, and is reported until then.
    take_off_of(&bed, "v1")?;
    let failed = || {
        state(&weir, "v1")
            .is_ok_and(|(state, why)| state == State::Failed && why.contains("2 times by now"))
    };
    wait_for(SOON, "it to be failed", failed).with_context(|| weir.said())?;
    ensure!(program_on(&bed, "v1")?.is_null(), "too early");
    ensure!(state(&weir, "v2")?.0 == State::Up);
    weir.wait_port("v1", &["up"])?;
    ensure!(program_on(&bed, "v1")? == ours);
    reachable(bed.guest(0)?, bed.guest(1)?, SOON)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_port_with_another_program_is_failed_until_that_is_gone() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec { mode: "native", ..WeirSpec::default() })?;
    ping_all(&bed)?;
    let ours = program_on(&bed, "v1")?;
    let ifindex = bed.host.ifindex("v1")?;
    let mut program = Program::count(Action::Pass)?;
    let attached: Attached = bed.host.run(|| {
        take_off(ifindex)?;
        Ok(program.attach(ifindex, Hook::Native)?)
    })?;
    let theirs = program_on(&bed, "v1")?;
    ensure!(theirs != ours);
    let id = format!("id {theirs}");
    let failed = || {
        state(&weir, "v1").is_ok_and(|(state, why)| {
            state == State::Failed && why.contains("another XDP program") && why.contains(&id)
        })
    };
    wait_for(SOON, "it to be failed", failed)
        .with_context(|| format!("{:?}\n{}", state(&weir, "v1"), weir.said()))?;
    ensure!(program_on(&bed, "v1")? == theirs, "it was not ours to take off");

    drop(attached);
    weir.wait_port("v1", &["up"])?;
    ensure!(program_on(&bed, "v1")? == ours);
    reachable(bed.guest(0)?, bed.guest(1)?, SOON)?;
    weir.assert_ledger()?;
    weir.stop()
}
