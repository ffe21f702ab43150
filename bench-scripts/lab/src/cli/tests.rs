use clap::CommandFactory;

use super::*;

#[test]
fn the_commands_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn finds_the_repository() {
    assert!(root().join("bench-scripts/experiments").is_dir());
    assert!(root().join("Cargo.lock").is_file());
}

#[test]
fn reads_what_is_typed() {
    let words = "weir-lab run A-E1 b --quick --only weir,htb --seed 7 --results /r";
    let cli = Cli::try_parse_from(words.split(' ')).unwrap();
    assert_eq!(cli.results, Some(PathBuf::from("/r")));
    let Command::Run(args) = cli.command else { panic!("{cli:?}") };
    assert_eq!(args.ids, ["A-E1", "b"]);
    assert_eq!(args.orders.only, ["weir", "htb"]);
    assert_eq!(
        (args.orders.quick, args.orders.again, args.orders.seed, args.json),
        (true, false, 7, false)
    );
    assert!(Cli::try_parse_from(["weir-lab", "run"]).is_err());
}
