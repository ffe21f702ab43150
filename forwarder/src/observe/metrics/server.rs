//! The HTTP side. Invariants: one sample at a time, and at most one a second however many clients ask;
//! a sample that has begun is completed, even if its client is gone; a client cannot delay the
//! forwarder's end.

use std::{
    future::Future,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::sync::Mutex;

use super::{Numbers, exposition, format::Format, listener::MetricsListener};

/// How long an answer is reused.
const FRESH: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 1 });
/// Below Prometheus' own time-out, so that the error message arrives.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 3 });
/// The time that requests under way are given when the forwarder ends.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

const INDEX: &str = concat!(
    "<!DOCTYPE html>\n<title>weir</title>\n<h1>weir ",
    env!("CARGO_PKG_VERSION"),
    "</h1>\n<ul>\n",
    "<li><a href=\"/metrics\">/metrics</a>: for Prometheus\n",
    "<li><a href=\"/healthz\">/healthz</a>: 200 while the workers answer, else 503 and why\n",
    "</ul>\n<p>Everything else is asked on the control socket: <code>weir --help</code>.\n"
);

/// The page, or the error why there is none.
type Text = Result<Arc<str>, Arc<str>>;

struct SampleCache<N> {
    numbers: Arc<N>,
    /// Locked while a sample is taken; other requests wait for that one.
    last: Arc<Mutex<Option<(Instant, Text)>>>,
}

/// Serves until `shutdown` resolves.
pub async fn serve<N: Numbers>(
    listener: MetricsListener,
    numbers: Arc<N>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, router(numbers)).with_graceful_shutdown(async move {
        shutdown.await;
        let _ = stopping.send(());
    });
    let mut server = std::pin::pin!(server.into_future());
    tokio::select! {
        result = &mut server => result,
        // A client that neither reads nor disconnects is abandoned.
        _ = stopped => tokio::time::timeout(CLOSE_TIMEOUT, server).await.unwrap_or(Ok(())),
    }
}

fn router<N: Numbers>(numbers: Arc<N>) -> Router {
    let cache = Arc::new(SampleCache { numbers, last: Arc::default() });
    Router::new()
        .route("/", get(|| async { once(Html(INDEX)) }))
        .route("/metrics", get(metrics::<N>))
        .route("/healthz", get(health::<N>))
        .fallback(unknown)
        .with_state(cache)
}

async fn metrics<N: Numbers>(
    State(cache): State<Arc<SampleCache<N>>>,
    headers: HeaderMap,
) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::wanted(&accept.collect::<Vec<_>>().join(","));
    match cache.text().await {
        Ok(text) => once(([(header::CONTENT_TYPE, format.content_type())], format.of(&text))),
        Err(why) => refuse(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

/// Healthy means that the numbers can be read: that proves that the workers turn.
async fn health<N: Numbers>(State(cache): State<Arc<SampleCache<N>>>) -> Response {
    match cache.text().await {
        Ok(_) => once("ok\n"),
        Err(why) => refuse(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

async fn unknown(uri: Uri) -> Response {
    let path = uri.path();
    refuse(StatusCode::NOT_FOUND, &format!("there is no {path}; valid: /metrics, /healthz, /"))
}

fn refuse(status: StatusCode, why: &str) -> Response {
    once((status, format!("{why}\n")))
}

/// Each connection is for one answer: see [`super::listener`].
fn once(answer: impl IntoResponse) -> Response {
    const CLOSE: [(HeaderName, &str); 1] = [(header::CONNECTION, "close")];
    (CLOSE, answer).into_response()
}

impl<N: Numbers> SampleCache<N> {
    async fn text(&self) -> Text {
        let late = || {
            let what = "the workers did not answer within";
            Err(format!("{what} {ANSWER_TIMEOUT:?}; see weir's log").into())
        };
        tokio::time::timeout(ANSWER_TIMEOUT, self.ask()).await.unwrap_or_else(|_| late())
    }

    async fn ask(&self) -> Text {
        // Only the holder of this lock starts a task: with stuck workers, there is a single one.
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((at, text)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return text.clone();
        }
        let numbers = Arc::clone(&self.numbers);
        let sampling = tokio::spawn(async move {
            let text = sampled(&*numbers).await;
            *last = Some((Instant::now(), text.clone()));
            text
        });
        sampling.await.unwrap_or_else(|error| Err(error.to_string().into()))
    }
}

async fn sampled<N: Numbers>(numbers: &N) -> Text {
    let sample = numbers.sample().await.map_err(|error| Arc::from(error.error))?;
    match exposition(Arc::new(sample)) {
        Ok(text) => Ok(text.into()),
        Err(error) => Err(format!("the numbers cannot be written down: {error}").into()),
    }
}
