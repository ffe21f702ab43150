//! `/v1/capture` and `/v1/trace`: answers that last until enough was seen or a client ends them.
//! Invariant: a client that disconnects ends its own session, by dropping the answer's body.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use weir_api::{Refusal, Refused, client};

use super::{ANSWER_TIMEOUT, Backend, failed, refuse};
use crate::observe::watch::WatchQuery;
use crate::observe::watch::query::Kind;

const WATCH_ID: HeaderName = HeaderName::from_static(client::WATCH_ID);

type Pairs = Query<Vec<(String, String)>>;

/// With `CAPTURE` a capture, otherwise a trace.
pub(super) async fn watch<B: Backend, const CAPTURE: bool>(
    State(backend): State<Arc<B>>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Response {
    let (kind, sent_as) = match CAPTURE {
        true => (Kind::Capture, "application/x-pcapng"),
        false => (Kind::Trace, "application/x-ndjson"),
    };
    let query = match WatchQuery::parse(kind, &pairs) {
        Ok(query) => query,
        Err(error) => return refuse(Refusal::Unreadable, error),
    };
    let who = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let who = who.unwrap_or("a client without a name").to_owned();
    // A separate task: a client that disconnects half-way leaves nothing half begun.
    let begun = tokio::spawn(async move { backend.watch(query, who).await });
    match tokio::time::timeout(ANSWER_TIMEOUT, begun).await {
        Ok(Ok(Ok(watching))) => {
            let parts = ReceiverStream::new(watching.parts).map(Ok::<_, Infallible>);
            let id = watching.id.to_string();
            let headers = [(header::CONTENT_TYPE, sent_as.to_owned()), (WATCH_ID, id)];
            (headers, Body::from_stream(parts)).into_response()
        }
        Ok(Ok(Err(refused))) => failed(refused),
        Ok(Err(error)) => refuse(Refusal::Broken, error.to_string()),
        Err(_) => failed(Refused::unavailable(format!(
            "the workers did not answer within {ANSWER_TIMEOUT:?}; see weir's log"
        ))),
    }
}

/// Ends the capture or trace, or only the one with that `id`.
pub(super) async fn end<B: Backend>(
    State(backend): State<Arc<B>>,
    Query(query): Pairs,
) -> Response {
    let mut id = None;
    for (key, value) in &query {
        match (key.as_str(), value.parse()) {
            ("id", Ok(number)) => id = Some(number),
            ("id", Err(_)) => {
                let error = format!("id: \"{value}\" is not valid; valid: a number");
                return refuse(Refusal::Unreadable, error);
            }
            _ => {
                let error = format!("there is no key \"{key}\"; valid: id");
                return refuse(Refusal::Unreadable, error);
            }
        }
    }
    match backend.end_watch(id) {
        Some(ended) => Json(serde_json::json!({ "ended": ended })).into_response(),
        None => refuse(Refusal::Unknown, "there is no watch, or it is another client's".to_owned()),
    }
}
