//! Why weir's containers were released. Invariant: parts of 1, of the containers of a window.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::stage::Stage;

/// Containers by why they were released, since weir began; empty where the peer is not weir.
pub(crate) fn read(stage: &Stage) -> Result<BTreeMap<String, u64>> {
    stage.weir().map_or(Ok(BTreeMap::new()), |weir| of(&weir.stats()?))
}

/// Of all ports together; a reason that never occurred is absent.
fn of(stats: &Value) -> Result<BTreeMap<String, u64>> {
    let mut sums = BTreeMap::new();
    for port in stats["ports"].as_array().context("weir's statistics have no ports")? {
        let released = &port["containers"]["released"];
        let released = released.as_object().with_context(|| format!("no containers: {port}"))?;
        for (reason, count) in released {
            let count = count.as_u64().with_context(|| format!("{reason} is no count: {count}"))?;
            *sums.entry(reason.clone()).or_default() += count;
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reasons_are_summed_over_the_ports() {
        let port = |released: Value| json!({"name": "v1", "containers": {"released": released}});
        let stats = json!({"ports": [
            port(json!({"full": 2, "timeout": 5})), port(json!({})), port(json!({"full": 3})),
        ]});
        let expected = [("full".to_owned(), 5), ("timeout".to_owned(), 5)].into();
        assert_eq!(of(&stats).unwrap(), expected);
    }

    #[test]
    fn statistics_without_containers_are_an_error() {
        assert!(of(&json!({})).is_err());
        assert!(of(&json!({"ports": [{"name": "v1"}]})).is_err());
    }
}
