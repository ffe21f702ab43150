use clap::Parser;

use super::*;
use crate::cli::args::{Cli, Command};

fn parsed(line: &str) -> Result<TopArgs, String> {
    let cli = Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
    let Command::Top(args) = cli.command else { panic!("{:?}", cli.command) };
    Ok(args)
}

#[test]
fn an_interval_has_a_unit_and_bounds() {
    assert_eq!(parsed("weir top").unwrap().interval, Duration::from_secs(1));
    let args = parsed("weir top -i 250ms --view flows --sort p99").unwrap();
    assert_eq!(args.interval, Duration::from_millis(250));
    assert_eq!((args.view, args.sort.as_deref()), (View::Flows, Some("p99")));
    for (line, why) in [
        ("weir top --interval 1", "e.g. \"1s\""),
        ("weir top --interval 99ms", "from 100ms to 3600s"),
        ("weir top --interval 3601s", "from 100ms to 3600s"),
        ("weir top --view ports", "vifs, flows, losses, links"),
    ] {
        let refused = parsed(line).expect_err(line);
        assert!(refused.contains(why), "{line}: {refused}");
    }
}
