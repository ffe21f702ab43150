//! The document of changeable settings, in the form of a configuration file, and its changes.

use serde_json::{Map, Value};
use weir_schema::{PortPlan, Section};

/// `weir config`: a file that `weir run --config` accepts.
pub fn config(document: &Value) -> String {
    let mut text =
        "# What can be changed while weir runs, as it is now. What is set at its start\n\
                    # (workers, idle, mode and so on) is not shown.\n"
            .to_owned();
    for (name, section) in sections(document) {
        text += &format!("\n[{name}]\n{}", keys(section.iter()));
    }
    for (name, port) in ports(document) {
        text +=
            &format!("\n[[port]]\nname = {}\n{}", toml(&name.clone().into()), keys(in_order(port)));
    }
    text
}

fn sections(document: &Value) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    let all = document.as_object().into_iter().flatten();
    all.filter(|(name, _)| *name != "ports").filter_map(|(name, s)| Some((name, s.as_object()?)))
}

fn ports(document: &Value) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    let all = document.get("ports").and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, port)| Some((name, port.as_object()?)))
}

/// In the order of the declarations; unknown keys of a newer weir come last.
fn in_order(port: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let known = PortPlan::settings().iter().filter_map(|row| port.get_key_value(row.about.key));
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
    let mut text = String::new();
    let nothing = Map::new();
    for (name, section) in sections(after) {
        let old = before.get(name).and_then(Value::as_object).unwrap_or(&nothing);
        for (key, from, to) in different(old, section.iter()) {
            text += &format!("{name}.{key} {from} -> {to}\n");
        }
    }
    let port = |document: &Value, name: &str| document.get("ports")?.get(name).cloned();
    for (name, new) in ports(after) {
        let Some(Value::Object(old)) = port(before, name) else {
            text += &format!("port {name}: added\n");
            continue;
        };
        for (key, from, to) in different(&old, in_order(new)) {
            text += &format!("port {name}: {key} {from} -> {to}\n");
        }
    }
    for (name, _) in ports(before).filter(|(name, _)| port(after, name).is_none()) {
        text += &format!("port {name}: removed\n");
    }
    if text.is_empty() { "no change\n".to_owned() } else { text }
}

fn different<'v>(
    old: &Map<String, Value>,
    new: impl Iterator<Item = (&'v String, &'v Value)>,
) -> Vec<(&'v str, String, String)> {
    let none = Value::Null;
    new.map(|(key, to)| (key, old.get(key).unwrap_or(&none), to))
        .filter(|(_, from, to)| from != to)
        .map(|(key, from, to)| (key.as_str(), shown(key, from), shown(key, to)))
        .collect()
}

fn shown(key: &str, value: &Value) -> String {
    match (PortPlan::declaration(key), value) {
        (Some(setting), value) => setting.shown(value),
        (None, Value::Null) => "none".to_owned(),
        (None, Value::String(text)) => text.clone(),
        (None, value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
