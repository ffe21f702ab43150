//! `weir set`, `weir config`, and the `weir port` commands that change settings: each sends one merge
//! patch, and prints the differences between the documents before and after.

use std::path::Path;

use weir_api::Client;

use serde_json::Value;

use super::{
    CliError,
    args::{ConfigArgs, SetArgs},
    render, show,
};
use weir_schema::ConfigErrors;

pub async fn config(args: &ConfigArgs, control: &Path) -> Result<(), CliError> {
    let document = Client::at(control).config().await?;
    show(args.json, &document, || render::config(&document))
}

pub async fn set(args: &SetArgs, control: &Path) -> Result<(), CliError> {
    let patch = args.patch().map_err(|valid| {
        let wrong = format!("invalid value \"{}\"", args.value);
        ConfigErrors::argument(&args.key, wrong, valid)
    })?;
    change(&patch, control, args.json).await
}

pub(super) async fn change(patch: &Value, control: &Path, json: bool) -> Result<(), CliError> {
    let before = Client::at(control).config().await?;
    let after = Client::at(control).patch(patch).await?;
    show(json, &after, || render::changes(&before, &after))
}

#[cfg(test)]
mod tests;
