//! The accepted arguments, and their meaning.

use super::super::{Cli, Command};
use super::*;
use clap::Parser as _;

fn probe(line: &str) -> ProbeCommand {
    let cli = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
    let Command::Probe(command) = cli.command else { panic!("{:?}", cli.command) };
    command
}

fn order(line: &str) -> Result<Order, String> {
    let ProbeCommand::Send(args) = probe(&format!("weir probe send {line}")) else { panic!() };
    args.order().map_err(|error| error.to_string())
}

#[test]
fn what_is_not_said_is_modest() {
    let order = order("10.0.0.2:9000").unwrap();
    assert_eq!((order.rate, order.burst, order.flows), (Rate::pps(1000), 1, 1));
    assert_eq!((order.duration, order.count), (Some(USUAL), None));
    assert_eq!(order.sizes, Sizes::default());
}

#[test]
fn a_count_needs_no_time() {
    let order = |more: &str| order(&format!("[::1]:9 {more}")).unwrap();
    assert_eq!(order("--count 5").duration, None);
    assert_eq!(order("--count 5 --duration 2s").duration, Some(Duration::from_secs(2)));
    assert_eq!(order("--size 64..1400 --rate 10Mbit").sizes.largest(), 1400);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    assert!(order("10.0.0.2:9 --size 40").is_ok());
    let wrong = order("10.0.0.2:9 --size 39").unwrap_err();
    assert_eq!(wrong, "--size: 39 bytes have no room for what is measured; valid: at least 40");
    assert!(order("10.0.0.2:9 --size 40 --rtt").unwrap_err().ends_with("at least 64"));
    assert!(order("10.0.0.2:9 --bind ::1").unwrap_err().contains("valid: an address"));
}

#[test]
fn clap_refuses_the_rest() {
    for line in [
        "send",
        "send 10.0.0.2",
        "send 10.0.0.2:0",
        "send 10.0.0.2:9 --rate 0pps",
        "send 10.0.0.2:9 --rate 10",
        "send 10.0.0.2:9 --size 1400..64",
        "send 10.0.0.2:9 --flows 0",
        "send 10.0.0.2:9 --dst-mac 02:00:00:00:00:01",
        "send 10.0.0.2:9 --raw eth1 --rtt",
        "sink",
        "sink --port 9 --timestamps hardware",
        "sink --port 9 --raw eth1 --keep",
        "sink --port 9 --count 0",
        "reflect --port 70000",
        "floor --duration 5",
    ] {
        let line = format!("weir probe {line}");
        let error = Cli::try_parse_from(line.split(' ')).expect_err(&line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn reflectors_stay_and_sinks_end() {
    let ProbeCommand::Reflect(args) = probe("weir probe reflect --port 9") else { panic!() };
    assert!(!args.once);
    let line = "weir probe sink --port 9 --timestamps kernel --count 7";
    let ProbeCommand::Sink(args) = probe(line) else { panic!() };
    let options = args.listen.options(false, args.keep);
    assert!(options.kernel_stamps && !options.keep);
    assert_eq!(options.count, Some(7));
}
