//! The commands' changes, at the control socket of a forwarder that forwards nothing.

use super::*;
use clap::Parser as _;
use serde_json::json;

use crate::cli::args;
use crate::service::api::tests::{Twin, start};

#[tokio::test]
async fn the_commands_change_what_they_name() {
    let weir = start(Twin::default());
    let run = async |line: &str| -> anyhow::Result<()> {
        let cli = args::Cli::try_parse_from(line.split(' ')).unwrap();
        match cli.command {
            args::Command::Port(command) => port(&command, &weir.path).await,
            args::Command::Set(args) => set(&args, &weir.path).await,
            args::Command::Config(args) => config(&args, &weir.path).await,
            other => panic!("{other:?}"),
        }
    };
    run("weir port set v1 --weight 4 --max-rate 5Mbit").await.unwrap();
    run("weir port add v9 --weight 2").await.unwrap();
    run("weir set scheduler.policy fifo").await.unwrap();
    run("weir config").await.unwrap();
    let now = Client::at(&weir.path).config().await.unwrap();
    assert_eq!(
        (&now["ports"]["v1"]["weight"], &now["ports"]["v9"]["weight"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(now["scheduler"]["policy"], "fifo");
    let code = |error: &anyhow::Error| if error.is::<ConfigErrors>() { 2 } else { 1 };
    let again = run("weir port add nic0").await.unwrap_err();
    let expected = "port nic0 is there already; to change it: weir port set nic0";
    assert_eq!((again.to_string().as_str(), code(&again)), (expected, 1));
    let refused = run("weir port set v1 --min-rate 6Mbit").await.unwrap_err();
    let expected = "weir refused: ports.v1.min-rate: 6Mbit is above max-rate, 5Mbit; valid: at \
                    most 5Mbit";
    assert_eq!((refused.to_string().as_str(), code(&refused)), (expected, 1));
    let senseless = run("weir set container.alpha much").await.unwrap_err();
    let expected = "container.alpha: invalid value \"much\"; expected a fraction, such as 0.99";
    assert_eq!((senseless.to_string().as_str(), code(&senseless)), (expected, 2));
    assert_eq!(Client::at(&weir.path).config().await.unwrap(), now);
    run("weir port del v9").await.unwrap();
    assert_eq!(Client::at(&weir.path).config().await.unwrap()["ports"].get("v9"), None);
    weir.stop().await;
}
