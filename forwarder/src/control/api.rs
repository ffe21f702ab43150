//! The control socket: HTTP/JSON for whoever may open the file. Invariants: it is never open to
//! anyone but its owner, not even while it is made; a live weir's socket is never taken away;
//! a client can neither delay the forwarder's end nor ask more of it than a copy of its numbers.

mod socket;
#[cfg(test)]
mod tests;

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

pub use self::socket::{ControlSocket, SocketError};
use crate::control::report::{ErrorReport, Health, PortList, StatsReport};

/// A worker answers in housekeeping, within milliseconds; one that takes this long is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 3000 });
/// How long requests that are under way may take after the forwarder is told to end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Who knows the numbers. Implemented by the control plane, and by a twin in tests.
pub trait Backend: Send + Sync + 'static {
    fn stats(&self) -> impl Future<Output = Result<StatsReport, BackendError>> + Send;
    fn ports(&self) -> impl Future<Output = Result<PortList, BackendError>> + Send;
}

/// Why there is no answer, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BackendError(pub String);

#[derive(Debug, Serialize)]
struct Index {
    version: &'static str,
    routes: Vec<RouteInfo>,
}

#[derive(Debug, Serialize)]
struct RouteInfo {
    method: &'static str,
    path: &'static str,
    what: &'static str,
}

const ROUTES: [(&str, &str); 4] = [
    ("/", "this list"),
    ("/v1/stats", "ports, ledger, worker's time, frames and forwarding table"),
    ("/v1/ports", "the ports and how they are attached"),
    ("/v1/health", "whether the worker answers"),
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
            // Nobody new finds the socket, while whoever is being answered still may be.
            drop(file);
            // A client that neither reads nor leaves is left behind.
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
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .with_state(backend)
}

async fn index() -> Json<Index> {
    let route = |(path, what)| RouteInfo { method: "GET", path, what };
    Json(Index { version: env!("CARGO_PKG_VERSION"), routes: ROUTES.map(route).into() })
}

async fn stats<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    answer(backend.stats()).await.map_or_else(failed, |report| Json(report).into_response())
}

async fn ports<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    answer(backend.ports()).await.map_or_else(failed, |report| Json(report).into_response())
}

/// Healthy is what can tell its numbers: asking for them proves that the worker turns.
async fn health<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    answer(backend.stats()).await.map_or_else(failed, |report| {
        Json(Health {
            status: "ok".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: u64::from(std::process::id()),
            uptime_ns: report.uptime_ns,
        })
        .into_response()
    })
}

async fn answer<T>(
    asked: impl Future<Output = Result<T, BackendError>>,
) -> Result<T, BackendError> {
    let late = || {
        BackendError(format!("the worker did not answer within {ANSWER_TIMEOUT:?}; see weir's log"))
    };
    tokio::time::timeout(ANSWER_TIMEOUT, asked).await.unwrap_or_else(|_| Err(late()))
}

fn failed(error: BackendError) -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, error.0)
}

async fn unknown(uri: Uri) -> Response {
    let routes: Vec<&str> = ROUTES.iter().map(|(path, _)| *path).collect();
    let error = format!("there is no {}; valid: {}", uri.path(), routes.join(", "));
    refuse(StatusCode::NOT_FOUND, error)
}

async fn not_allowed(method: Method, uri: Uri) -> Response {
    let error = format!("{method} {} is not possible; valid: GET", uri.path());
    refuse(StatusCode::METHOD_NOT_ALLOWED, error)
}

fn refuse(status: StatusCode, error: String) -> Response {
    (status, Json(ErrorReport { error })).into_response()
}
