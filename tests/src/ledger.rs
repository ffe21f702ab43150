//! What must hold of weir's statistics once traffic has stopped.
//!
//! Invariant: received + copies = delivered + passed + lost, nothing in flight, and every frame
//! of the pool has an owner. Exactly; there is no tolerance.

use serde_json::Value;

/// Checks one `/v1/stats` answer; the error names each sum that is off.
pub fn check(stats: &Value) -> Result<(), String> {
    let mut wrong = Vec::new();
    let ledger = &stats["ledger"];
    let field = |name: &str| ledger[name].as_u64();
    match (
        field("received"),
        field("copies"),
        field("delivered"),
        field("passed"),
        field("in_flight"),
        lost(ledger),
    ) {
        (
            Some(received),
            Some(copies),
            Some(delivered),
            Some(passed),
            Some(in_flight),
            Some(lost),
        ) => {
            if received + copies != delivered + passed + lost + in_flight {
                wrong.push(format!(
                    "received {received} + copies {copies} is not delivered {delivered} + passed {passed} + lost {lost} + in flight {in_flight}"
                ));
            }
            if in_flight != 0 {
                wrong.push(format!("{in_flight} frames are still in flight"));
            }
        }
        _ => wrong.push("the ledger lacks a field".to_owned()),
    }
    if ledger["balanced"].as_bool() != Some(true) {
        wrong.push("the ledger does not call itself balanced".to_owned());
    }
    if let Some(by_reason) = ledger["lost_by_reason"].as_object() {
        let sum: u64 = by_reason.values().filter_map(Value::as_u64).sum();
        if Some(sum) != lost(ledger) {
            wrong.push(format!("the reasons add up to {sum}, not to what was lost"));
        }
    }
    census(&stats["frames"], &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn lost(ledger: &Value) -> Option<u64> {
    match &ledger["lost"] {
        Value::Object(by_reason) => Some(by_reason.values().filter_map(Value::as_u64).sum()),
        number => number.as_u64(),
    }
}

/// One pool, or a list of them (one per worker).
fn census(frames: &Value, wrong: &mut Vec<String>) {
    match frames {
        Value::Array(pools) => pools.iter().for_each(|pool| census(pool, wrong)),
        Value::Object(owners) => {
            let total = owners.get("total").and_then(Value::as_u64);
            let sum = ["free", "fill", "rx", "held", "tx", "completion", "lost"];
            let sum: u64 =
                sum.iter().filter_map(|name| owners.get(*name).and_then(Value::as_u64)).sum();
            if total != Some(sum) {
                wrong.push(format!("the frames' owners add up to {sum}, not to {total:?}"));
            }
        }
        _ => wrong.push("there is no census of frames".to_owned()),
    }
}

/// Frames lost under `reason`, over all ports.
#[must_use]
pub fn lost_under(stats: &Value, reason: &str) -> u64 {
    stats["ledger"]["lost_by_reason"][reason].as_u64().unwrap_or(0)
}

/// The port `name` of a `/v1/stats` answer; Null if there is none.
#[must_use]
pub fn port<'a>(stats: &'a Value, name: &str) -> &'a Value {
    static NONE: Value = Value::Null;
    let ports = stats["ports"].as_array();
    ports.and_then(|ports| ports.iter().find(|port| port["name"] == name)).unwrap_or(&NONE)
}

/// A number of one port, such as `/rx/frames`; 0 where there is none.
#[must_use]
pub fn number(stats: &Value, name: &str, path: &str) -> u64 {
    port(stats, name).pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// Frames that a port's guest sent and that were lost under `reason`.
#[must_use]
pub fn port_lost(stats: &Value, name: &str, reason: &str) -> u64 {
    port(stats, name)["losses"][reason].as_u64().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::check;
    use serde_json::json;

    fn good() -> serde_json::Value {
        json!({
            "ledger": {"received": 10, "copies": 2, "delivered": 8, "passed": 1, "lost": 3,
                       "in_flight": 0, "balanced": true, "lost_by_reason": {"queue_full": 3}},
            "frames": {"total": 8, "free": 4, "fill": 3, "rx": 0, "held": 0, "tx": 1},
        })
    }

    #[test]
    fn accepts_only_exact_sums() {
        assert_eq!(check(&good()), Ok(()));
        for (path, value) in [
            ("/ledger/delivered", 7),
            ("/ledger/in_flight", 1),
            ("/ledger/lost_by_reason/queue_full", 2),
            ("/frames/free", 5),
        ] {
            let mut bad = good();
            *bad.pointer_mut(path).unwrap() = json!(value);
            assert!(check(&bad).is_err(), "{path}");
        }
        let mut unsure = good();
        unsure["ledger"]["balanced"] = json!(false);
        assert!(check(&unsure).is_err());
        assert!(check(&json!({})).is_err());
    }
}
