//! The dashboard, the alerts and the scrape example.

use std::fs;

use serde_json::Value;

use super::{
    promql::{complaints, names},
    published, series, text,
};

const DASHBOARD: &str = "docs/grafana/weir.json";
const ALERTS: &str = "docs/prometheus/alerts.yml";

fn read(path: &str) -> String {
    fs::read_to_string(published(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Calls `found` for each text under one of `keys`, at any depth.
fn each<'v>(value: &'v Value, keys: &[&str], found: &mut impl FnMut(&'v str)) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| each(value, keys, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if keys.contains(&key.as_str()) => found(text),
                    value => each(value, keys, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_dashboard_shows_only_what_there_is() {
    let (series, json) = (series(&text()), read(DASHBOARD));
    let dashboard: Value = serde_json::from_str(&json).unwrap();
    let mut expressions = 0;
    each(&dashboard, &["expr", "query", "definition"], &mut |expression| {
        let wrong = complaints(expression, &series);
        assert!(wrong.is_empty(), "{expression}: {wrong:?}");
        expressions += usize::from(names(expression).next().is_some());
    });
    assert!(expressions > 15, "only {expressions}");
    // Metrics named elsewhere: in titles and descriptions.
    for (_, name) in names(&json) {
        assert!(series.contains_key(name), "there is no {name}");
    }
}

#[test]
fn the_dashboards_legends_name_labels_that_their_expressions_leave() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let series = series(&text());
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let legend = target["legendFormat"].as_str().unwrap();
            for label in legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")) {
                let summed = expression.split_once(" by (").map(|(_, rest)| rest);
                let left = match summed.and_then(|rest| rest.split_once(')')) {
                    Some((labels, _)) => labels.split(',').any(|l| l.trim() == label.0),
                    None => names(expression).all(|(_, name)| series[name].contains_key(label.0)),
                };
                assert!(left, "`{legend}` wants {} of `{expression}`", label.0);
            }
        }
    }
}

#[test]
fn the_dashboard_asks_the_source_and_the_ports_that_its_reader_chose() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().filter_map(|v| v["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "job", "instance", "port"]);
    let mut ids = std::collections::BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "an id is used twice");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                assert!(expression.contains("instance=~\"$instance\""), "{expression}");
            }
        }
    }
}

#[test]
fn the_alerts_watch_only_what_there_is() {
    let (series, yaml) = (series(&text()), read(ALERTS));
    for (_, name) in names(&yaml) {
        assert!(series.contains_key(name), "there is no {name}");
    }
    let mut expression = "";
    let mut alerts = 0;
    for line in yaml.lines().map(str::trim) {
        if let Some(found) = line.strip_prefix("expr: ") {
            expression = found;
            alerts += 1;
            let wrong = complaints(expression, &series);
            assert!(wrong.is_empty(), "{expression}: {wrong:?}");
        }
        for label in line.split("$labels.").skip(1) {
            let end = label.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let label = &label[..end.unwrap_or(label.len())];
            let own = ["job", "instance"].contains(&label);
            let exists = names(expression).all(|(_, name)| series[name].contains_key(label));
            assert!(own || exists, "{label} is no label of `{expression}`");
        }
    }
    let named = yaml.matches("- alert: ").count();
    assert!(alerts >= 6 && alerts == named, "{alerts} expressions, {named} alerts");
}

#[test]
fn the_scrape_example_asks_where_the_example_configuration_listens() {
    let scrape = read("docs/prometheus/scrape.yml");
    let target = scrape.split("targets: [\"").nth(1).and_then(|rest| rest.split('"').next());
    assert_eq!(target, Some("127.0.0.1:9477"));
    assert!(read("docs/weir.example.toml").contains("127.0.0.1:9477"));
    assert!(scrape.contains("job_name: weir"));
    assert!(read(ALERTS).contains("up{job=\"weir\"}"));
}
