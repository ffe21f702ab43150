//! `weir port`.

use std::path::Path;

use super::{CliError, args::PortCommand, client, print, print_json, render};

pub async fn run(command: &PortCommand, control: &Path) -> Result<(), CliError> {
    let PortCommand::List(args) = command;
    let list = client::ports(control).await?;
    if args.json { print_json(&list) } else { print(&render::port_list(&list)) }
}
