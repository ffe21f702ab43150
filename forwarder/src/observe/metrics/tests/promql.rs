//! The part of PromQL that is needed to find the series and labels in an expression.

use super::Series;

/// Complaints about the metrics and labels in `expression`; none if all exist.
pub(super) fn complaints(expression: &str, series: &Series) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut labels: Vec<&str> = vec!["job", "instance"];
    let mut named = 0;
    for (at, name) in names(expression) {
        let Some(known) = series.get(name) else {
            wrong.push(format!("there is no {name}"));
            continue;
        };
        named += 1;
        labels.extend(known.keys().map(String::as_str));
        let rest = &expression[at + name.len()..];
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        for matcher in matchers.map_or("", |(matchers, _)| matchers).split(',') {
            let Some((label, value)) = matcher.trim().split_once(['=', '!']) else { continue };
            let value = value.trim_start_matches(['=', '~']).trim_matches('"');
            match known.get(label) {
                None if ["job", "instance"].contains(&label) => {}
                None => wrong.push(format!("{name} has no label {label}")),
                // Ports and cores depend on the operator, and the reader chooses `$…`.
                Some(_) if ["port", "to", "core"].contains(&label) || value.contains('$') => {}
                Some(values) => {
                    for value in value.split('|').filter(|value| !values.contains(*value)) {
                        wrong.push(format!("{name} is never told with {label}=\"{value}\""));
                    }
                }
            }
        }
    }
    for word in ["by", "on", "ignoring", "group_left", "group_right", "without"] {
        for list in lists(expression, word) {
            for label in list.split(',').map(str::trim).filter(|label| !label.is_empty()) {
                if named > 0 && !labels.contains(&label) {
                    wrong.push(format!("nothing in `{expression}` has a label {label}"));
                }
            }
        }
    }
    wrong
}

/// Every name with our metrics' prefix, and its position.
pub(super) fn names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = text.match_indices("weir_").map(|(at, _)| at);
    starts.filter(|&at| !text[..at].ends_with(is_name)).map(|at| {
        let rest = &text[at..];
        (at, &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())])
    })
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The contents of the brackets after each `word`.
fn lists<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(word).filter_map(move |(at, _)| {
        let alone = !text[..at].ends_with(is_name);
        let list = text[at + word.len()..].trim_start().strip_prefix('(')?;
        let (list, _) = list.split_once(')')?;
        alone.then_some(list)
    })
}

#[test]
fn what_does_not_exist_is_found() {
    let series = super::series(&super::text());
    let about = |expression: &str| complaints(expression, &series).join("; ");
    let right = "sum by (port, reason) (rate(weir_port_lost_frames_total{port=~\"$port\", \
                 reason=~\"shed|queue_full\"}[5m])) / on (job) weir_uptime_seconds";
    assert_eq!(about(right), "");
    assert_eq!(about("weir_port_lost_frames"), "there is no weir_port_lost_frames");
    assert_eq!(about("weir_port_weight{vif=\"a\"}"), "weir_port_weight has no label vif");
    assert_eq!(
        about("weir_port_lost_frames_total{port=\"x\",reason!~\"shed|eaten\"}"),
        "weir_port_lost_frames_total is never told with reason=\"eaten\""
    );
    assert!(about("sum by (le, vif) (weir_stage_seconds_bucket)").ends_with("has a label vif"));
}
