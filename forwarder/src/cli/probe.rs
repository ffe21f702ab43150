//! `weir probe`: runs the probe on threads of its own, stops it on Ctrl-C, and shows its results.
//! Invariant: the results until then are shown, however it ended.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use weir_port::{clock_realtime_ns, probe::MAX_TEST_FRAME};

use super::args::probe::{
    FloorArgs, ListenArgs, OutputArgs, ProbeCommand, ReflectArgs, SendArgs, SinkArgs, USUAL,
};
use super::stop::Stop;
use super::{print, print_json_line, render, show};
use crate::observe::dump::{Series, hgrm, hlog};
use crate::probe::{floor, guard};
use weir_probe::raw::frame::{self, Addresses};
use weir_probe::raw::{self, Drain, RawOrder};
use weir_probe::report::{Named, SinkReport};
use weir_probe::sink::Sink;
use weir_probe::{ProbeError, send};
use weir_schema::ConfigErrors;

pub async fn run(command: &ProbeCommand) -> anyhow::Result<()> {
    match command {
        ProbeCommand::Send(args) if args.raw.is_some() => send_raw(args).await,
        ProbeCommand::Send(args) => send(args).await,
        ProbeCommand::Sink(SinkArgs { raw: Some(interface), listen, .. }) => {
            sink_raw(interface, listen).await
        }
        ProbeCommand::Sink(SinkArgs { listen, keep, .. }) => listen_on(listen, false, *keep).await,
        ProbeCommand::Reflect(ReflectArgs { listen, once }) => {
            listen_on(listen, true, !*once).await
        }
        ProbeCommand::Floor(args) => measure_floor(args).await,
    }
}

async fn send(args: &SendArgs) -> anyhow::Result<()> {
    let order = args.order()?;
    guard::check(&order, args.force).await?;
    say(&format!("sending to {} at {}", order.target, order.rate));
    let began = clock_realtime_ns();
    let report = until_stopped(move |stop| send::send(&order, stop)).await?;
    show(args.output.json, &report, || render::probe::send(&report))?;
    save(&args.output, &report.spreads(), began, report.elapsed_ns)?;
    match (&report.round_trips, args.rtt) {
        (None, true) => Err(ProbeError::Refused(format!(
            "no answer came from {}: is `weir probe reflect` running there?",
            args.target
        ))
        .into()),
        _ => Ok(()),
    }
}

async fn listen_on(args: &ListenArgs, reflect: bool, keep: bool) -> anyhow::Result<()> {
    let sink = Sink::open(args.options(reflect, keep))?;
    say(&format!("listening on {}", sink.address()));
    let began = clock_realtime_ns();
    let (output, by_flow) = (args.output.clone(), args.by_flow);
    let report = until_stopped(move |stop| {
        sink.run(stop, &AtomicU64::new(0), |report| {
            if show_each(&output, by_flow, &report).is_err() {
                // Standard output is closed.
                stop.store(true, Ordering::Relaxed);
            }
        })
    })
    .await?;
    if keep && report.sessions.is_empty() {
        return Ok(());
    }
    if keep {
        show_each(&args.output, args.by_flow, &report)?;
    } else {
        show(args.output.json, &report, || render::probe::sink(&report, args.by_flow))?;
    }
    save(&args.output, &report.spreads(), began, report.elapsed_ns)
}

async fn measure_floor(args: &FloorArgs) -> anyhow::Result<()> {
    let (order, options, v6) = (args.order()?, args.options(), args.ipv6);
    say(&format!("sending over a bare veth at {}", order.rate));
    let began = clock_realtime_ns();
    let report = until_stopped(move |stop| floor::measure(&order, &options, v6, stop)).await?;
    show(args.output.json, &report, || render::probe::floor(&report))?;
    save(&args.output, &report.sink.spreads(), began, report.sink.elapsed_ns)
}

async fn send_raw(args: &SendArgs) -> anyhow::Result<()> {
    let interface = args.raw.clone().unwrap_or_default();
    guard::check_raw(&interface, args.force).await?;
    let frame = raw_frame(args, &interface).await?;
    let order = RawOrder {
        interface: interface.clone(),
        frame,
        rate: args.traffic.rate,
        count: args.traffic.count,
        duration: args.traffic.time(USUAL),
        core: args.traffic.core,
        af_xdp: args.af_xdp,
    };
    say(&format!("sending frames by {interface} at {}", order.rate));
    let report = until_stopped(move |stop| raw::send(&order, stop)).await?;
    show(args.output.json, &report, || render::probe::raw(&report))
}

/// The one frame to send, with the interface's own addresses as defaults.
async fn raw_frame(args: &SendArgs, interface: &str) -> anyhow::Result<Vec<u8>> {
    let Some(dst_mac) = args.dst_mac else {
        let wrong = "is missing; without the stack, there is no neighbour lookup";
        let valid = "valid: the address of the target, or of the router to it (ip neighbour)";
        return Err(ConfigErrors::argument("--dst-mac", wrong, valid).into());
    };
    let links = guard::links().await?;
    let link = links.by_name(interface);
    let mut own = link.into_iter().flat_map(|link| &link.addresses).map(|(ip, _)| *ip);
    let own = own.find(|ip| ip.is_ipv4() == args.target.is_ipv4());
    let Some(src) = args.bind.or(own) else {
        let none = format!("{interface} has no address of {}'s family", args.target.ip());
        return Err(
            ConfigErrors::argument("--bind", none, "valid: the address to send from").into()
        );
    };
    let src_mac = args.src_mac.or_else(|| link.map(|link| weir_core::ids::Mac::new(link.mac)));
    let addresses =
        Addresses { src_mac: src_mac.unwrap_or(dst_mac), dst_mac, src, dst: args.target };
    let frame = frame::build(&addresses, args.traffic.size.smallest() as usize)?;
    let one = args.traffic.size.smallest() == args.traffic.size.largest();
    if !one || frame.len() > MAX_TEST_FRAME {
        let wrong = format!("{} is not one size that --raw can send", args.traffic.size);
        let valid = format!("valid: one, up to {}", MAX_TEST_FRAME - 62);
        return Err(ConfigErrors::argument("--size", wrong, valid).into());
    }
    Ok(frame)
}

async fn sink_raw(interface: &str, args: &ListenArgs) -> anyhow::Result<()> {
    let drain = Drain::attach(interface, args.port)?;
    say(&format!("counting frames to port {} at {interface}", args.port));
    let (duration, count) = (args.duration.map(Duration::from), args.count);
    let report = until_stopped(move |stop| drain.run(stop, duration, count)).await?;
    show(args.output.json, &report, || render::probe::raw(&report))
}

/// Runs it on a thread of its own; Ctrl-C and SIGTERM tell it to end.
async fn until_stopped<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, ProbeError> + Send + 'static,
) -> anyhow::Result<T> {
    let mut asked = Stop::listen()?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let mut job = tokio::task::spawn_blocking(move || work(&told));
    loop {
        tokio::select! {
            ended = &mut job => {
                let panicked = |_| ProbeError::Refused("the probe panicked".to_owned());
                return Ok(ended.map_err(panicked)??);
            }
            () = asked.told() => stop.store(true, Ordering::Relaxed),
        }
    }
}

/// Prints to standard error, for people and for scripts that wait for it.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "weir: {what}");
}

/// Prints one of several reports: a line of JSON, or a text with an empty line after it.
fn show_each(output: &OutputArgs, by_flow: bool, report: &SinkReport) -> anyhow::Result<()> {
    if output.json {
        return print_json_line(report);
    }
    print(&(render::probe::sink(report, by_flow) + "\n"))
}

/// Writes the requested files as dumps have them: the first histogram's distribution, a log of all.
fn save(
    output: &OutputArgs,
    named: &[Named<'_>],
    began_unix_ns: u64,
    lasted_ns: u64,
) -> anyhow::Result<()> {
    let write = |path: &Path, text: String| {
        let failed = ProbeError::io(format!("cannot write {}", path.display()));
        std::fs::write(path, text).map_err(failed)
    };
    if let (Some(path), Some((name, spread))) = (&output.hgrm, named.first()) {
        write(path, hgrm::section(name, &spread.histogram))?;
    }
    if let Some(path) = &output.hlog {
        let one = |(name, spread): &Named<'_>| Series {
            tag: (*name).to_owned(),
            times: spread.histogram.clone(),
        };
        let series: Vec<Series> = named.iter().map(one).collect();
        let (since, until) = (began_unix_ns, began_unix_ns.saturating_add(lasted_ns));
        write(path, hlog::header(since) + &hlog::interval(since, since, until, &series))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
