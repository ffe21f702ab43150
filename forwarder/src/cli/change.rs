//! `weir set`, `weir config` and `weir port`. Each that changes settings sends one merge patch, and prints
//! the differences between the documents before and after.

use std::path::Path;

use weir_api::Client;

use serde_json::Value;

use super::args::{JsonArgs, PortCommand, SetArgs};
use super::{render, show};
use weir_schema::ConfigErrors;

pub async fn config(args: &JsonArgs, control: &Path) -> anyhow::Result<()> {
    let document = Client::at(control).config().await?;
    show(args.json, &document, || render::config(&document))
}

pub async fn set(args: &SetArgs, control: &Path) -> anyhow::Result<()> {
    let patch = args.patch().map_err(|valid| {
        let wrong = format!("invalid value \"{}\"", args.value);
        ConfigErrors::argument(&args.key, wrong, valid)
    })?;
    change(&patch, control, args.json).await
}

pub async fn port(command: &PortCommand, control: &Path) -> anyhow::Result<()> {
    match command {
        PortCommand::List(args) => {
            let list = Client::at(control).ports().await?;
            show(args.json, &list, || render::port_list(&list, render::Paint::of_stdout()))
        }
        PortCommand::Set(args) => change(&args.patch(), control, args.json).await,
        PortCommand::Add(args) => {
            // A patch cannot express this check: it would turn an existing uplink into a vif.
            if Client::at(control).config().await?["ports"].get(&args.name).is_some() {
                let name = &args.name;
                anyhow::bail!("port {name} is there already; to change it: weir port set {name}");
            }
            change(&args.patch(), control, args.json).await
        }
        PortCommand::Del(args) => change(&args.patch(), control, args.json).await,
    }
}

async fn change(patch: &Value, control: &Path, json: bool) -> anyhow::Result<()> {
    let before = Client::at(control).config().await?;
    let after = Client::at(control).patch(patch).await?;
    show(json, &after, || render::changes(&before, &after))
}

#[cfg(test)]
mod tests;
