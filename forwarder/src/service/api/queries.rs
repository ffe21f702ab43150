//! The routes that take a query: latency and flows, captures and traces. Invariants: a GET changes
//! nothing, and a reset is a POST of its own; a query with an unknown key does nothing. A capture or
//! trace lasts until enough was seen or a client ends it; a client that disconnects ends its own, by
//! dropping the answer's body.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, header},
    response::IntoResponse,
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use weir_api::query::{HISTOGRAMS, TOP, VIF};
use weir_api::{FlowQuery, LatencyQuery, Refused, StatusCode, client};

use super::{ANSWER_TIMEOUT, Answer, Backend, answer, completed, refuse, report};
use crate::observe::watch::{WatchQuery, query::Kind};
use weir_schema::nearest;

/// Longer than for other requests, since the histograms of every flow of every worker are read in
/// pages.
const TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 30_000 });
const WATCH_ID: HeaderName = HeaderName::from_static(client::WATCH_ID);

type Pairs = Query<Vec<(String, String)>>;
type Asked = Result<Pairs, QueryRejection>;

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

/// With `CAPTURE` a capture, otherwise a trace.
pub(super) async fn watch<B: Backend, const CAPTURE: bool>(
    State(backend): State<Arc<B>>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Answer {
    let (kind, sent_as) = match CAPTURE {
        true => (Kind::Capture, "application/x-pcapng"),
        false => (Kind::Trace, "application/x-ndjson"),
    };
    let query = WatchQuery::parse(kind, &pairs).map_err(Refused::unreadable)?;
    let who = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let who = who.unwrap_or("a client without a name").to_owned();
    let late = || {
        Refused::unavailable(format!(
            "the workers did not answer within {ANSWER_TIMEOUT:?}; see weir's log"
        ))
    };
    // A client that disconnects half-way leaves nothing half begun.
    let begun = async move { backend.watch(query, who).await };
    let watching = completed(ANSWER_TIMEOUT, begun, late).await?;
    let parts = ReceiverStream::new(watching.parts).map(Ok::<_, Infallible>);
    let headers = [(header::CONTENT_TYPE, sent_as.to_owned()), (WATCH_ID, watching.id.to_string())];
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// Ends the capture or trace, or only the one with that `id`.
pub(super) async fn end<B: Backend>(State(backend): State<Arc<B>>, Query(query): Pairs) -> Answer {
    let mut id = None;
    for (key, value) in &query {
        if key != "id" {
            let error = format!("there is no key \"{key}\"; valid: id");
            return Err(Refused::unreadable(error).into());
        }
        id = Some(value.parse().map_err(|_| {
            Refused::unreadable(format!("id: \"{value}\" is not valid; valid: a number"))
        })?);
    }
    let ended = backend.end_watch(id);
    let none = || refuse(StatusCode::NOT_FOUND, "there is no watch, or it is another client's");
    Ok(Json(serde_json::json!({ "ended": ended.ok_or_else(none)? })).into_response())
}

#[cfg(test)]
mod tests;
