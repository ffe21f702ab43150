//! `/v1/capture` and `/v1/trace`: answers that last until enough was seen or a client ends them.
//! Invariant: a client that disconnects ends its own session, by dropping the answer's body.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::IntoResponse;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use weir_api::{Refused, StatusCode, client};

use super::{ANSWER_TIMEOUT, Answer, Backend, completed, refuse};
use crate::observe::watch::WatchQuery;
use crate::observe::watch::query::Kind;

const WATCH_ID: HeaderName = HeaderName::from_static(client::WATCH_ID);

type Pairs = Query<Vec<(String, String)>>;

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
