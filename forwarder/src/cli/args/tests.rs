mod named;

use super::*;
use clap::CommandFactory;

fn run(line: &str) -> (RunArgs, Option<PathBuf>) {
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    let Command::Run(args) = cli.command else { panic!("{:?}", cli.command) };
    (args, cli.control)
}

fn plan(line: &str) -> Result<Plan, String> {
    let (args, control) = run(line);
    args.plan(control.as_ref(), &Host { cores: vec![0, 1] }).map_err(|e| e.to_string())
}

#[test]
fn a_bridge_and_its_uplinks() {
    let words = "weir run --bridge br0 --uplink eth1,eth2 --idle spin --worker 0";
    let plan = plan(words).unwrap();
    assert_eq!(plan.bridge.as_deref(), Some("br0"));
    assert_eq!(plan.ports.len(), 2);
    assert_eq!((plan.forwarder.idle, &plan.forwarder.workers[..]), (Idle::Spin, &[0][..]));
    let lanes = |plan: &Plan| ["eth2", "tap0"].map(|name| plan.port_named(name).lane);
    assert_eq!(lanes(&plan), [Lane::Auto; 2]);
    let plan = self::plan(&format!("{words} --lane scheduled")).unwrap();
    assert_eq!(lanes(&plan), [Lane::Scheduled; 2]);
}

#[test]
fn options_override_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("weir.toml");
    std::fs::write(
        &file,
        "[forwarder]\nworkers = [0]\n[[port]]\nname='e'\nrole='uplink'\nlane='auto'\n",
    )
    .unwrap();
    let line = format!("weir run --config {}", file.display());
    assert_eq!(plan(&line).unwrap().forwarder.workers, [0]);
    let line = format!("{line} --worker 1 --mode skb --lane scheduled --control /tmp/x.sock");
    let plan = plan(&line).unwrap();
    assert_eq!(plan.forwarder.workers, [1]);
    assert_eq!((plan.ports[0].mode, plan.ports[0].lane), (Mode::Gate, Lane::Scheduled));
    assert_eq!(plan.forwarder.control, PathBuf::from("/tmp/x.sock"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "worker = 0\n").unwrap();
    let line = format!("weir run --config {}", file.display());
    assert_eq!(
        self::plan(&format!("{line} --worker 1")).unwrap_err(),
        "--worker: port e is given to core 0; valid: a list with 0 in it"
    );
    let both = self::plan(&format!("{line} --worker 1,0")).unwrap();
    assert_eq!(both.forwarder.workers, [1, 0]);
}

#[test]
fn what_makes_no_sense_here_is_said_with_what_would() {
    let bridge = "weir run --bridge br0 --uplink eth1";
    let error = |more: &str| plan(&format!("{bridge}{more}")).unwrap_err();
    assert_eq!(error(" --worker 9"), "--worker: there is no core 9; valid: 0, 1");
    let many = format!(" --worker {}", ["0"; 65].join(","));
    assert_eq!(error(&many), "--worker: 65 items are too many; valid: at most 64");
    assert_eq!(error(" --worker 1,1"), "--worker: core 1 is listed twice; valid: each core once");
    assert_eq!(error(",eth1"), "--uplink: \"eth1\" is listed twice; valid: each interface once");
    assert_eq!(
        error(" --control x.sock"),
        "--control: \"x.sock\" is not the absolute path of a file; valid: an absolute path of \
         at most 107 bytes"
    );
}

#[test]
fn clap_refuses_the_rest() {
    for line in [
        "weir run",
        "weir run --bridge br0",
        "weir run --config a --bridge br0 --uplink e",
        "weir run --bridge br/0 --uplink e",
        "weir run --config a --idle nap",
        "weir run --config a --lane fast",
        "weir stats --watch 0",
        "weir stats --json --help-counters",
        "weir doctor --config a eth0",
        "weir stats --shares --ledger",
        "weir port set v1",
        "weir port set v1 --weight x",
        "weir port add",
        "weir set container.bytes 4KiB",
        "weir set scheduler.policy",
    ] {
        let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    let watch = |line: &str| match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Stats(args) => args.watch,
        other => panic!("{other:?}"),
    };
    assert_eq!(watch("weir stats --watch"), Some(1));
    assert_eq!(watch("weir stats --watch 5 --control /x"), Some(5));
    assert_eq!(watch("weir stats"), None);
}

#[test]
fn every_help_text_fits_80_columns() {
    fn check(command: &mut clap::Command) {
        let help = command.clone().term_width(80).render_long_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        command.get_subcommands_mut().for_each(check);
    }
    let mut command = Cli::command();
    command.build();
    command.clone().debug_assert();
    check(&mut command);
}
