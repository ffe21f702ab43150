//! Latency and flows. Invariant: a GET changes nothing, and a reset is a POST of its own; a query with
//! an unknown key does nothing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::extract::{Query, State, rejection::QueryRejection};

use weir_api::query::{HISTOGRAMS, TOP, VIF};
use weir_api::{FlowQuery, LatencyQuery, Refused, StatusCode};

use super::{Answer, Backend, answer, report};
use weir_schema::nearest;

/// Longer than for other requests, since the histograms of every flow of every worker are read in
/// pages.
const TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 30_000 });

type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;

pub(super) async fn latency<B: Backend, const RESET: bool>(
    State(backend): State<Arc<B>>,
    asked: Asked,
) -> Answer {
    let query = read(asked, &[HISTOGRAMS]).map_err(Refused::unreadable)?;
    let query = LatencyQuery { histograms: query.histograms, reset: RESET };
    report(TIMEOUT, backend.latency(query)).await
}

pub(super) async fn flows<B: Backend, const RESET: bool>(
    State(backend): State<Arc<B>>,
    asked: Asked,
) -> Answer {
    let keys: &[&str] = if RESET { &[HISTOGRAMS, TOP] } else { &[HISTOGRAMS, TOP, VIF] };
    let query = read(asked, keys).map_err(Refused::unreadable)?;
    if let Some(vif) = &query.vif {
        check_vif(&*backend, vif).await?;
    }
    report(TIMEOUT, backend.flows(FlowQuery { reset: RESET, ..query })).await
}

async fn check_vif<B: Backend>(backend: &B, vif: &str) -> Result<(), Refused> {
    let ports = answer(TIMEOUT, backend.ports()).await?.ports;
    let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    if names.contains(&vif) {
        return Ok(());
    }
    let error = format!("there is no port \"{vif}\"; valid: {}", names.join(", "));
    Err(Refused::new(StatusCode::NOT_FOUND, error))
}

/// Parses the query, which may have only `keys`; or the error, with what would be valid.
fn read(asked: Asked, keys: &[&str]) -> Result<FlowQuery, String> {
    let Query(pairs) = asked.map_err(|rejection| rejection.body_text())?;
    let (mut query, mut seen) = (FlowQuery::default(), BTreeSet::new());
    for (key, value) in pairs {
        let Some(key) = keys.iter().copied().find(|known| *known == key) else {
            return Err(unknown_key(&key, keys));
        };
        if !seen.insert(key) {
            return Err(format!("{key}: is there twice; valid: each key once"));
        }
        match key {
            HISTOGRAMS => {
                query.histograms = value.parse().map_err(|_| {
                    format!("{key}: \"{value}\" is neither true nor false; valid: true, false")
                })?;
            }
            TOP => {
                let top = value.parse().ok().filter(|top| *top > 0);
                query.top = Some(top.ok_or_else(|| {
                    format!("{key}: \"{value}\" is no number of flows; valid: 1 or more")
                })?);
            }
            _ => query.vif = Some(value),
        }
    }
    Ok(query)
}

fn unknown_key(key: &str, keys: &[&str]) -> String {
    let near = match nearest(key, keys) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if key == "reset" => "; it is a POST to this path and /reset".to_owned(),
        None => String::new(),
    };
    format!("{key}: unknown key{near}; valid: {}", keys.join(", "))
}

#[cfg(test)]
mod tests;
