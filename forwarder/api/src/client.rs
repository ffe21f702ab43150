//! Queries a running weir over its control socket, and changes it. Invariants: every request ends
//! within its deadline, and an error says what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Builder;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::{
    ErrorReport, FlowQuery, FlowsReport, Health, LatencyQuery, LatencyReport, PortList, Refused,
    StatsReport,
};

/// The media type of a merge patch (RFC 7396).
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// The header of a streaming answer: the number by which DELETE ends this answer, and no later one.
pub const WATCH_ID: &str = "weir-watch";

/// Bounds the wait for a connection whose end the other side does not notice.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// The limits of an answer: the time from connecting to the last byte, and memory.
#[derive(Clone, Copy, Debug)]
struct Limits {
    deadline: Duration,
    bytes: usize,
}

/// 1024 ports need about 800 KiB, plus some 150 bytes for each pair of ports with traffic.
const LOOK: Limits = Limits { deadline: Duration::from_secs(5), bytes: 16 << 20 };
/// A change takes longer than a reading.
const CHANGE: Limits = Limits { deadline: Duration::from_secs(15), ..LOOK };
/// Every flow of every worker, read in pages: with its histogram it needs one or two KiB, and four
/// workers have 65,536 of them each.
const MEASURED: Limits = Limits { deadline: Duration::from_secs(35), bytes: 512 << 20 };

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "no weir is running here ({0}): start one with `weir run`, or name its socket with \
         --control"
    )]
    NotRunning(String),
    #[error("{0}: permission denied: only its owner may ask, try again as root (sudo)")]
    Denied(String),
    #[error("{path}: weir did not answer within {} s: is its process stopped?", deadline.as_secs())]
    Late { path: String, deadline: Duration },
    #[error("weir refused: {0}")]
    Refused(Refused),
    #[error("{path}: this is no answer of weir: {what}")]
    Garbled { path: String, what: String },
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("no runtime to ask with: {0}")]
    Runtime(io::Error),
}

/// A client of the weir that listens on a socket: each request has a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// The task that drives a connection. Dropping it ends the task.
type Driver = JoinSet<()>;

impl Client {
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    pub async fn stats(&self) -> Result<StatsReport, ClientError> {
        self.read(Request::get("/v1/stats"), String::new(), LOOK).await
    }

    pub async fn ports(&self) -> Result<PortList, ClientError> {
        self.read(Request::get("/v1/ports"), String::new(), LOOK).await
    }

    pub async fn health(&self) -> Result<Health, ClientError> {
        self.read(Request::get("/v1/health"), String::new(), LOOK).await
    }

    pub async fn latency(&self, query: LatencyQuery) -> Result<LatencyReport, ClientError> {
        self.read(look_or_reset(query.reset, &query.route()), String::new(), MEASURED).await
    }

    pub async fn flows(&self, query: &FlowQuery) -> Result<FlowsReport, ClientError> {
        self.read(look_or_reset(query.reset, &query.route()), String::new(), MEASURED).await
    }

    /// The changeable settings, with their present values.
    pub async fn config(&self) -> Result<Value, ClientError> {
        self.read(Request::get("/v1/config"), String::new(), LOOK).await
    }

    /// Changes them by a merge patch, as JSON or as its text; returns the result.
    pub async fn patch(&self, patch: impl ToString) -> Result<Value, ClientError> {
        let request = Request::patch("/v1/config").header(header::CONTENT_TYPE, MERGE_PATCH);
        self.read(request, patch.to_string(), CHANGE).await
    }

    /// Packets as pcapng, until enough came; `query` is the text behind the question mark.
    pub async fn capture(&self, query: &str) -> Result<Stream, ClientError> {
        Stream::open(self, "/v1/capture", query).await
    }

    /// The steps of the next packets, a [`crate::TraceLine`] each.
    pub async fn trace(&self, query: &str) -> Result<Stream, ClientError> {
        Stream::open(self, "/v1/trace", query).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        route: Builder,
        body: String,
        limits: Limits,
    ) -> Result<T, ClientError> {
        let whole = async {
            let (response, _connection) = self.ask(route, body).await?;
            let body = Limited::new(response.into_body(), limits.bytes).collect().await;
            Ok(body.map_err(|error| self.garbled(error))?.to_bytes())
        };
        let body = self.before(limits.deadline, whole).await?;
        serde_json::from_slice(&body).map_err(|error| self.garbled(error))
    }

    async fn look(
        &self,
        route: Builder,
        deadline: Duration,
    ) -> Result<(Response<Incoming>, Driver), ClientError> {
        self.before(deadline, self.ask(route, String::new())).await
    }

    async fn before<T>(
        &self,
        deadline: Duration,
        asked: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let late = |_| ClientError::Late { path: self.path(), deadline };
        tokio::time::timeout(deadline, asked).await.map_err(late)?
    }

    /// Sends a request and waits for the head of a successful answer.
    async fn ask(
        &self,
        route: Builder,
        body: String,
    ) -> Result<(Response<Incoming>, Driver), ClientError> {
        let request = route
            .header(header::HOST, "weir")
            .header(header::CONNECTION, "close")
            .header(header::USER_AGENT, format!("weir, process {}", std::process::id()))
            .body(Full::<Bytes>::from(body))
            .map_err(|error| self.garbled(error))?;
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.no(error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.garbled(error))?;
        // The answer also reports errors of the connection.
        let mut driver = Driver::new();
        driver.spawn(async move { drop(connection.await) });
        let response = sender.send_request(request).await.map_err(|error| self.garbled(error))?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok((response, driver));
        }
        let body = Limited::new(response.into_body(), LOOK.bytes).collect().await;
        let report = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        Err(match report {
            Some(ErrorReport { error }) => ClientError::Refused(Refused::new(status, error)),
            None => self.garbled(format!("status {status}")),
        })
    }

    fn path(&self) -> String {
        self.socket.display().to_string()
    }

    fn no(&self, source: io::Error) -> ClientError {
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning(self.path())
            }
            io::ErrorKind::PermissionDenied => ClientError::Denied(self.path()),
            _ => ClientError::Io { path: self.path(), source },
        }
    }

    /// The error for an answer that is not weir's.
    pub fn garbled(&self, what: impl ToString) -> ClientError {
        ClientError::Garbled { path: self.path(), what: what.to_string() }
    }
}

fn look_or_reset(reset: bool, route: &str) -> Builder {
    if reset { Request::post(route) } else { Request::get(route) }
}

/// Waits for an answer: `wait(client.stats())`. It must not be called from within a runtime.
pub fn wait<T>(asked: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ClientError::Runtime)?.block_on(asked)
}

/// A streaming answer of a running weir. Dropping it closes the connection, which ends the session there.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    route: &'static str,
    id: Option<String>,
    body: Incoming,
    _connection: Driver,
}

impl Stream {
    async fn open(client: &Client, route: &'static str, query: &str) -> Result<Self, ClientError> {
        let request = Request::get(format!("{route}?{query}"));
        let (response, connection) = client.look(request, LOOK.deadline).await?;
        let id = response.headers().get(WATCH_ID).and_then(|id| id.to_str().ok());
        Ok(Self {
            client: client.clone(),
            route,
            id: id.map(str::to_owned),
            body: response.into_body(),
            _connection: connection,
        })
    }

    /// The next part; `None` at the end. It may be dropped half-way without losing anything.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let broken =
            |error: hyper::Error| self.client.garbled(format!("the answer broke off: {error}"));
        let frame = self.body.frame().await.transpose().map_err(broken)?;
        // What is no data are trailers, and weir sends none.
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    /// Ends the session on the other side; the remaining parts still arrive.
    pub async fn finish(&self) -> Result<(), ClientError> {
        let id = self.id.as_deref().map(|id| format!("?id={id}")).unwrap_or_default();
        let request = Request::delete(format!("{}{id}", self.route));
        self.client.look(request, END_DEADLINE).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
