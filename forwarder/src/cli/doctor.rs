//! `weir doctor`: finds what is missing on this host or in the way, each finding with its fix.
//! Invariant: read only; a running weir does not notice.

mod finding;
mod host;
mod interface;

use std::path::PathBuf;
use std::process::ExitCode;

pub use self::finding::{Finding, Level, Report};
use super::args::DoctorArgs;
use super::{print, unless_closed};
use crate::host::links::{Links, Snapshot, check_bridge, check_port, could_be_port};
use weir_schema::{DEFAULT_CONTROL, Host, PortPlan};

/// Prints the findings about the host and the interfaces; the exit code is 1 if a check fails.
pub async fn run(args: DoctorArgs, control: PathBuf) -> anyhow::Result<ExitCode> {
    let report = examine(&args, control).await?;
    let text =
        if args.json { report.json() } else { report.text(super::render::Paint::of_stdout()) };
    unless_closed(print(&text))?;
    Ok(if report.fails() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What to examine.
#[derive(Debug)]
struct Subjects {
    control: PathBuf,
    interfaces: Vec<String>,
    /// The plans of the operator's file for them.
    plans: Vec<PortPlan>,
    /// The operator named them, so an obstacle at one of them is a failure.
    asked_for: bool,
}

/// Everything that [`run`] prints.
pub async fn examine(args: &DoctorArgs, control: PathBuf) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let snapshot = Links::open()?.snapshot().await?;
    let mut subjects = choose(args, control, &snapshot, &mut report);
    subjects.interfaces.dedup();
    // The rest blocks on netlink and on loading the programs.
    let looked = tokio::task::spawn_blocking(move || {
        look(&subjects, &snapshot, &mut report);
        report
    });
    Ok(looked.await?)
}

fn look(subjects: &Subjects, snapshot: &Snapshot, report: &mut Report) {
    host::examine(report);
    let alive = host::leftovers(&subjects.control, report);
    let looked_at = subjects.interfaces.iter().filter_map(|name| snapshot.by_name(name));
    let left = host::gates(snapshot, report);
    let views = interface::read_bridges(looked_at, alive || left, report);
    for name in &subjects.interfaces {
        let plan = subjects.plans.iter().find(|plan| plan.name == *name);
        let case = interface::Case { snapshot, views: &views, alive, plan };
        match check_port(snapshot, name, false) {
            Ok(link) => interface::examine(&case, link, report),
            Err(error) => {
                report.section(name);
                let level = if subjects.asked_for { Level::Fail } else { Level::Note };
                report.add(level, "port", error.to_string());
                if let Some(link) = snapshot.by_name(name)
                    && could_be_port(link)
                {
                    interface::examine(&case, link, report);
                }
            }
        }
    }
}

fn choose(
    args: &DoctorArgs,
    control: PathBuf,
    snapshot: &Snapshot,
    report: &mut Report,
) -> Subjects {
    let mut subjects =
        Subjects { control, interfaces: Vec::new(), plans: Vec::new(), asked_for: true };
    if let Some(file) = &args.config {
        report.section("configuration");
        match weir_schema::load(file, &Host::detect()) {
            Ok(plan) => {
                report.add(Level::Ok, "file", format!("{} is valid", file.display()));
                // A path on the command line takes precedence over the file's, as with `weir run`.
                if subjects.control.as_os_str() == DEFAULT_CONTROL {
                    subjects.control = plan.forwarder.control;
                }
                subjects.interfaces = plan.ports.iter().map(|port| port.name.clone()).collect();
                subjects.plans = plan.ports;
            }
            Err(errors) => {
                for problem in errors.problems {
                    report.add(Level::Fail, "file", problem.to_string());
                }
            }
        }
    } else if let Some(bridge) = &args.bridge {
        match check_bridge(snapshot, bridge) {
            Ok(link) => {
                let ports = snapshot.ports_of(link.ifindex);
                subjects.interfaces = ports.map(|port| port.name.clone()).collect();
            }
            Err(error) => {
                report.section(bridge);
                report.add(Level::Fail, "bridge", error.to_string());
            }
        }
    } else if !args.interfaces.is_empty() {
        subjects.interfaces = args.interfaces.clone();
    } else {
        let all = snapshot.iter().filter(|link| could_be_port(link));
        subjects.interfaces = all.map(|link| link.name.clone()).collect();
        subjects.asked_for = false;
    }
    subjects
}
