//! The HTTP side. Invariants: the number of connections is bounded; each is for one answer and short, so
//! that clients cannot use up the files that ports need. One sample at a time is taken, and at most one a
//! second however many clients ask; a sample that has begun is completed, even if its client is gone. A
//! client cannot delay the forwarder's end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Format, Numbers, Sample, page};

/// Enough for Prometheus and a few users. Further connections wait.
const CONNECTIONS: usize = 16;
/// The time from accepting a connection to the end of its answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 10 });
/// If no file is left for a connection, one may be free soon.
const PAUSE: Duration = Duration::from_millis(500);
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

/// Binds the address; with port 0, any free port. Connections made before it is served wait.
pub async fn claim(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "forwarder.metrics: {address} is in use by another program; valid: a loopback address \
             and port that are free"
        ),
        _ => anyhow!("forwarder.metrics: nothing can listen on {address}: {error}"),
    })
}

/// The numbers, or the error why there are none.
type Sampled = Result<Arc<Sample>, String>;

struct SampleCache<N> {
    numbers: Arc<N>,
    /// Locked while a sample is taken; other requests wait for that one.
    last: Arc<Mutex<Option<(Instant, Sampled)>>>,
}

/// Serves until `shutdown` resolves.
pub async fn serve<N: Numbers>(
    listener: TcpListener,
    numbers: Arc<N>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let routes = Router::new()
        .route("/", get(Html(INDEX)))
        .route("/metrics", get(metrics::<N>))
        .route("/healthz", get(health::<N>))
        .fallback(unknown)
        .with_state(Arc::new(SampleCache { numbers, last: Arc::default() }));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, routes.clone()))),
                Err(error) => {
                    tracing::debug!("metrics: a connection was not accepted: {error}");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // A client that neither reads nor disconnects is abandoned.
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(CLOSE_TIMEOUT, ended).await;
}

async fn connection(stream: TcpStream, routes: Router) {
    let mut server = hyper::server::conn::http1::Builder::new();
    let service = TowerToHyperService::new(routes);
    let served = server.keep_alive(false).serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(CONNECTION_TIMEOUT, served).await {
        tracing::debug!("metrics: {error}");
    }
}

type Failed = (StatusCode, String);

fn unavailable(why: String) -> Failed {
    (StatusCode::SERVICE_UNAVAILABLE, why + "\n")
}

async fn metrics<N: Numbers>(
    State(cache): State<Arc<SampleCache<N>>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failed> {
    let sample = cache.sample().await.map_err(unavailable)?;
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::wanted(&accept.collect::<Vec<_>>().join(","));
    Ok(([(CONTENT_TYPE, format.content_type())], page(&sample, format)))
}

/// Healthy means that the numbers can be read: that proves that the workers turn.
async fn health<N: Numbers>(
    State(cache): State<Arc<SampleCache<N>>>,
) -> Result<&'static str, Failed> {
    cache.sample().await.map(|_| "ok\n").map_err(unavailable)
}

async fn unknown(uri: Uri) -> Failed {
    let why = format!("there is no {}; valid: /metrics, /healthz, /\n", uri.path());
    (StatusCode::NOT_FOUND, why)
}

impl<N: Numbers> SampleCache<N> {
    async fn sample(&self) -> Sampled {
        timeout(ANSWER_TIMEOUT, self.ask()).await.unwrap_or_else(|_| {
            Err(format!("the workers did not answer within {ANSWER_TIMEOUT:?}; see weir's log"))
        })
    }

    async fn ask(&self) -> Sampled {
        // Only the holder of this lock starts a task: with stuck workers, there is a single one.
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((at, sampled)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return sampled.clone();
        }
        let numbers = Arc::clone(&self.numbers);
        let sampling = tokio::spawn(async move {
            let sampled = numbers.sample().await.map(Arc::new).map_err(|error| error.error);
            *last = Some((Instant::now(), sampled.clone()));
            sampled
        });
        sampling.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}
