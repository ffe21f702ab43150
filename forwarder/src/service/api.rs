//! The control socket: HTTP/JSON for processes that may open the file. Invariants: it is never open to
//! anyone but its owner, not even while it is made; a live weir's socket is never taken away; a client
//! can neither delay the forwarder's end nor demand more than a copy of its numbers; a change that has
//! begun is completed, even if its client is gone.

mod queries;
mod socket;
#[cfg(test)]
pub(crate) mod tests;

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use serde_json::Value;

pub use self::socket::ControlSocket;
use crate::observe::watch::{WatchQuery, WatchStream};
use weir_api::client::MERGE_PATCH;
use weir_api::{
    ErrorReport, FlowQuery, FlowsReport, Health, LatencyQuery, LatencyReport, PortList, Refused,
    StatsReport,
};

/// A worker answers during its chores, within milliseconds; one that takes this long is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 3000 });
/// Taking ports in and out takes longer than a request for numbers.
const CHANGE_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 10_000 });
/// As long as a configuration file.
const MAX_PATCH_BYTES: usize = 1 << 20;
/// The media type of a merge patch, and the one that every client uses for JSON.
const PATCH_TYPES: [&str; 2] = [MERGE_PATCH, "application/json"];
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// The time that requests under way are given when the forwarder ends.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// What was asked for, or why there is none.
pub type Reply<T> = Result<T, Refused>;

/// The source of the numbers: the control side, or a twin in tests.
pub trait Backend: Send + Sync + 'static {
    fn stats(&self) -> impl Future<Output = Reply<StatsReport>> + Send;
    fn ports(&self) -> impl Future<Output = Reply<PortList>> + Send;
    fn latency(&self, query: LatencyQuery) -> impl Future<Output = Reply<LatencyReport>> + Send;
    fn flows(&self, query: FlowQuery) -> impl Future<Output = Reply<FlowsReport>> + Send;
    /// The settings that can be changed while traffic flows, with their present values.
    fn config(&self) -> impl Future<Output = Reply<Value>> + Send;
    /// Changes them as RFC 7396 says; the answer has the new values. Either all of the patch is applied
    /// or, with an error, nothing.
    fn patch(&self, patch: Value) -> impl Future<Output = Reply<Value>> + Send;
    /// Begins to watch packets, on behalf of `who`.
    fn watch(
        &self,
        query: WatchQuery,
        who: String,
    ) -> impl Future<Output = Reply<WatchStream>> + Send;
    /// Ends the capture or trace, or only the one with that number; returns its description.
    fn end_watch(&self, id: Option<u64>) -> Option<String>;
}

#[derive(Debug, Serialize)]
struct Index {
    version: &'static str,
    routes: &'static [RouteInfo],
}

#[derive(Clone, Copy, Debug, Serialize)]
struct RouteInfo {
    method: &'static str,
    path: &'static str,
    what: &'static str,
}

const ROUTES: &[RouteInfo] = &[
    RouteInfo { method: "GET", path: "/", what: "this list" },
    RouteInfo {
        method: "GET",
        path: "/v1/stats",
        what: "ports, ledger, worker's time, frames and forwarding table",
    },
    RouteInfo { method: "GET", path: "/v1/ports", what: "the ports and how they are attached" },
    RouteInfo { method: "GET", path: "/v1/health", what: "whether the worker answers" },
    RouteInfo { method: "GET", path: "/v1/config", what: "what can be changed, as it is now" },
    RouteInfo {
        method: "PATCH",
        path: "/v1/config",
        what: "changes that, while traffic flows, by an RFC 7396 merge patch (content-type \
               application/merge-patch+json): null takes a key back to its default or deletes a \
               port, a new name with a role adds one; answers 200 with what it is then, 400 for \
               what is no JSON, 404 for a port or interface that there is not, 413 above 1 MiB, \
               415 for another content-type, 422 where the result would be no valid \
               configuration, 503 where it could not be carried out; with these, nothing has \
               changed; 504 for a change that is still going on",
    },
    RouteInfo {
        method: "GET",
        path: "/v1/capture",
        what: "packets, as pcapng, until the client leaves: ?port=&dir=in|out|lost|both&host=&\
               portno=&proto=tcp|udp|icmp|arp&vlan=&snaplen=&count=&duration=10s&buffer=8MiB, all \
               optional, port more than once if need be; 409 while another client watches",
    },
    RouteInfo {
        method: "DELETE",
        path: "/v1/capture",
        what: "ends the watch, with a whole file; ?id= only the one whose answer has this \
               weir-watch header",
    },
    RouteInfo {
        method: "GET",
        path: "/v1/trace",
        what: "the next packets' ways, a line of JSON each: ?count= and what /v1/capture knows, but \
               dir and snaplen",
    },
    RouteInfo { method: "DELETE", path: "/v1/trace", what: "as DELETE /v1/capture" },
    RouteInfo {
        method: "GET",
        path: "/v1/latency",
        what: "where packets' time went, by source and stage; ?histograms=true for whole \
               histograms",
    },
    RouteInfo {
        method: "POST",
        path: "/v1/latency/reset",
        what: "the same, and recording starts again: the answer is exactly what was cleared",
    },
    RouteInfo {
        method: "GET",
        path: "/v1/flows",
        what: "who talks to whom, the largest first; ?top=N for only that many, ?vif=NAME for those \
               of one source, ?histograms=true for whole histograms",
    },
    RouteInfo {
        method: "POST",
        path: "/v1/flows/reset",
        what: "the same for all sources, and all flows are forgotten",
    },
];

/// Answers on `socket` until `shutdown` resolves, and then removes the socket.
pub async fn serve<B: Backend>(
    socket: ControlSocket,
    backend: Arc<B>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (listener, file) = socket.into_listener()?;
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let mut server = pin!(
        axum::serve(listener, router(backend))
            .with_graceful_shutdown(async move {
                shutdown.await;
                let _ = stopping.send(());
            })
            .into_future()
    );
    let result = tokio::select! {
        result = &mut server => result,
        _ = stopped => {
            // New clients no longer find the socket; earlier ones may still be answered.
            drop(file);
            // A client that neither reads nor disconnects is abandoned.
            return tokio::time::timeout(CLOSE_TIMEOUT, server).await.unwrap_or(Ok(()));
        }
    };
    drop(file);
    result
}

fn router<B: Backend>(backend: Arc<B>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/v1/stats", get(stats::<B>))
        .route("/v1/ports", get(ports::<B>))
        .route("/v1/health", get(health::<B>))
        .route("/v1/config", get(config::<B>).patch(patch::<B>))
        .route("/v1/latency", get(queries::latency::<B, false>))
        .route("/v1/latency/reset", post(queries::latency::<B, true>))
        .route("/v1/flows", get(queries::flows::<B, false>))
        .route("/v1/flows/reset", post(queries::flows::<B, true>))
        .route("/v1/capture", get(queries::watch::<B, true>).delete(queries::end::<B>))
        .route("/v1/trace", get(queries::watch::<B, false>).delete(queries::end::<B>))
        .layer(DefaultBodyLimit::max(MAX_PATCH_BYTES))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .with_state(backend)
}

async fn index() -> Json<Index> {
    Json(Index { version: env!("CARGO_PKG_VERSION"), routes: ROUTES })
}

/// A request's answer.
type Answer = Result<Response, Failed>;

/// A refusal as an answer.
struct Failed(Refused);

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Refused { why, error } = self.0;
        (why, Json(ErrorReport { error })).into_response()
    }
}

fn refuse(why: StatusCode, error: impl std::fmt::Display) -> Failed {
    Failed(Refused::new(why, error))
}

async fn stats<B: Backend>(State(backend): State<Arc<B>>) -> Answer {
    report(ANSWER_TIMEOUT, backend.stats()).await
}

async fn ports<B: Backend>(State(backend): State<Arc<B>>) -> Answer {
    report(ANSWER_TIMEOUT, backend.ports()).await
}

async fn config<B: Backend>(State(backend): State<Arc<B>>) -> Answer {
    report(ANSWER_TIMEOUT, backend.config()).await
}

async fn patch<B: Backend>(
    State(backend): State<Arc<B>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let sent_as = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = sent_as.and_then(|kind| kind.split(';').next()).unwrap_or("").trim();
    if !PATCH_TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        let valid = PATCH_TYPES.join(", ");
        let error = format!("content-type \"{kind}\" is no patch; valid: {valid}");
        let refusal = refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, error);
        return Ok(([(ACCEPT_PATCH, valid)], refusal).into_response());
    }
    let body = body.map_err(|rejection| {
        let error = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => format!("a patch has at most {MAX_PATCH_BYTES} bytes"),
            _ => rejection.body_text(),
        };
        refuse(rejection.status(), error)
    })?;
    let document = serde_json::from_slice(&body)
        .map_err(|error| Refused::unreadable(format!("the body is no JSON: {error}")))?;
    let late = || {
        let error = format!(
            "the change was not finished within {CHANGE_TIMEOUT:?} and goes on; see weir's log, \
             and GET /v1/config for what came of it"
        );
        Refused::new(StatusCode::GATEWAY_TIMEOUT, error)
    };
    // If it were dropped half-way, one half would be changed and the other not.
    let change = async move { backend.patch(document).await };
    Ok(Json(completed(CHANGE_TIMEOUT, change, late).await?).into_response())
}

/// Healthy means that the numbers can be read: that proves that the worker turns.
async fn health<B: Backend>(State(backend): State<Arc<B>>) -> Answer {
    let report = answer(ANSWER_TIMEOUT, backend.stats()).await?;
    let health = Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: u64::from(std::process::id()),
        uptime_ns: report.uptime_ns,
    };
    Ok(Json(health).into_response())
}

async fn report<T: Serialize>(within: Duration, asked: impl Future<Output = Reply<T>>) -> Answer {
    Ok(Json(answer(within, asked).await?).into_response())
}

async fn answer<T>(within: Duration, asked: impl Future<Output = Reply<T>>) -> Reply<T> {
    let late = || {
        Refused::unavailable(format!("the worker did not answer within {within:?}; see weir's log"))
    };
    tokio::time::timeout(within, asked).await.unwrap_or_else(|_| Err(late()))
}

/// Does `work` as a task of its own: it is completed even if the client leaves, or time is up.
async fn completed<T: Send + 'static>(
    within: Duration,
    work: impl Future<Output = Reply<T>> + Send + 'static,
    late: impl FnOnce() -> Refused,
) -> Reply<T> {
    match tokio::time::timeout(within, tokio::spawn(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error)),
        Err(_) => Err(late()),
    }
}

async fn unknown(uri: Uri) -> Failed {
    let mut routes: Vec<&str> = ROUTES.iter().map(|route| route.path).collect();
    routes.dedup();
    let error = format!("there is no {}; valid: {}", uri.path(), routes.join(", "));
    refuse(StatusCode::NOT_FOUND, error)
}

async fn not_allowed(method: Method, uri: Uri) -> Failed {
    let methods = ROUTES.iter().filter(|route| route.path == uri.path());
    let methods: Vec<&str> = methods.map(|route| route.method).collect();
    let error = format!("{method} {} is not possible; valid: {}", uri.path(), methods.join(", "));
    refuse(StatusCode::METHOD_NOT_ALLOWED, error)
}
