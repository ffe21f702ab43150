//! `weir port`.

use std::path::Path;

use weir_api::Client;

use super::{CliError, args::PortCommand, change::change, render, show};

pub async fn run(command: &PortCommand, control: &Path) -> Result<(), CliError> {
    match command {
        PortCommand::List(args) => {
            let list = Client::at(control).ports().await?;
            show(args.json, &list, || render::port_list(&list, render::Paint::of_stdout()))
        }
        PortCommand::Set(args) => change(&args.patch(), control, args.json).await,
        PortCommand::Add(args) => {
            // A patch cannot express this check: it would turn an existing uplink into a vif.
            if Client::at(control).config().await?["ports"].get(&args.name).is_some() {
                return Err(CliError::Exists(args.name.clone()));
            }
            change(&args.patch(), control, args.json).await
        }
        PortCommand::Del(args) => change(&args.patch(), control, args.json).await,
    }
}
