//! The document of changeable settings, in the form of a configuration file, and its changes.

use serde_json::{Map, Value};
use weir_schema::{PortPlan, Section, differences};

/// `weir config`: a file that `weir run --config` accepts.
pub fn config(document: &Value) -> String {
    let mut text =
        "# What can be changed while weir runs, as it is now. What is set at its start\n\
                    # (workers, idle, mode and so on) is not shown.\n"
            .to_owned();
    let tables = |of: &Value| of.as_object().cloned().unwrap_or_default();
    let mut sections = tables(document);
    let ports = tables(&sections.remove("ports").unwrap_or_default());
    for (name, section) in sections {
        text += &format!("\n[{name}]\n{}", keys(tables(&section).iter()));
    }
    for (name, port) in ports {
        let keys = keys(in_order(&tables(&port)));
        text += &format!("\n[[port]]\nname = {}\n{keys}", toml(&name.into()));
    }
    text
}

/// In the order of the declarations; unknown keys of a newer weir come last.
fn in_order(port: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let known = PortPlan::SETTINGS.iter().filter_map(|row| port.get_key_value(row.about.key));
    known.chain(port.iter().filter(|(key, _)| PortPlan::declaration(key).is_none()))
}

fn keys<'v>(keys: impl Iterator<Item = (&'v String, &'v Value)>) -> String {
    let told = keys.filter(|(_, value)| match value {
        Value::Array(items) => !items.is_empty(),
        value => !value.is_null(),
    });
    told.map(|(key, value)| format!("{key} = {}\n", toml(value))).collect()
}

/// JSON's strings, numbers, booleans and lists of them have the same syntax in TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}

/// The differences between two documents, a line each.
pub fn changes(before: &Value, after: &Value) -> String {
    let differences = differences(before, after);
    let text: String = differences.iter().map(|change| format!("{}\n", change.what)).collect();
    if text.is_empty() { "no change\n".to_owned() } else { text }
}

#[cfg(test)]
mod tests;
