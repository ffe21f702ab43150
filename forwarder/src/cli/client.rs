//! Asking a running weir over its control socket, and telling it. Invariants: every question ends
//! within its deadline, and an error says what to do about it.

use std::{io, path::Path, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    header::{self, HeaderValue},
    http::request::Builder,
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::control::{
    api::MERGE_PATCH,
    report::{ErrorReport, FlowsReport, Health, LatencyReport, PortList, StatsReport},
};

/// For a whole answer, from connecting to the last byte.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// For a change, which takes longer than a look.
const CHANGE_DEADLINE: Duration = Duration::from_secs(15);
/// For every flow of every worker, read in pages.
const MEASURED_DEADLINE: Duration = Duration::from_secs(35);
/// 1024 ports need about 800 KiB, and what each has sent to others some 150 bytes for each of them.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// A flow with its histogram needs one or two KiB, and four workers have 65,536 of them each.
const MAX_MEASURED_BYTES: usize = 512 << 20;

/// What an answer may take, in time and memory.
#[derive(Clone, Copy, Debug)]
struct Limits {
    deadline: Duration,
    bytes: usize,
}

const LOOK: Limits = Limits { deadline: DEADLINE, bytes: MAX_ANSWER_BYTES };
const CHANGE: Limits = Limits { deadline: CHANGE_DEADLINE, bytes: MAX_ANSWER_BYTES };

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
    Refused(String),
    #[error("{path}: this is no answer of weir: {what}")]
    Garbled { path: String, what: String },
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
}

pub async fn stats(socket: &Path) -> Result<StatsReport, ClientError> {
    get(socket, "/v1/stats").await
}

pub async fn ports(socket: &Path) -> Result<PortList, ClientError> {
    get(socket, "/v1/ports").await
}

/// `query`: what stands behind the question mark: nothing, or `histograms=true`.
pub async fn latency(socket: &Path, query: &str) -> Result<LatencyReport, ClientError> {
    measured(socket, Request::get(format!("/v1/latency?{query}"))).await
}

/// The same, and recording begins anew: what is given is exactly what is gone.
pub async fn reset_latency(socket: &Path, query: &str) -> Result<LatencyReport, ClientError> {
    measured(socket, Request::post(format!("/v1/latency/reset?{query}"))).await
}

/// `query`: such as `histograms=true&top=50&vif=v1`.
pub async fn flows(socket: &Path, query: &str) -> Result<FlowsReport, ClientError> {
    measured(socket, Request::get(format!("/v1/flows?{query}"))).await
}

/// The same for all sources (so without `vif`), and all flows are forgotten.
pub async fn reset_flows(socket: &Path, query: &str) -> Result<FlowsReport, ClientError> {
    measured(socket, Request::post(format!("/v1/flows/reset?{query}"))).await
}

async fn measured<T: DeserializeOwned>(socket: &Path, route: Builder) -> Result<T, ClientError> {
    let limits = Limits { deadline: MEASURED_DEADLINE, bytes: MAX_MEASURED_BYTES };
    within(socket, route.body(Full::default()), limits).await
}

pub async fn health(socket: &Path) -> Result<Health, ClientError> {
    get(socket, "/v1/health").await
}

/// What can be changed, as it is now.
pub async fn config(socket: &Path) -> Result<Value, ClientError> {
    get(socket, "/v1/config").await
}

/// Changes it by a merge patch; gives what it is then.
pub async fn patch(socket: &Path, patch: &Value) -> Result<Value, ClientError> {
    let request = Request::patch("/v1/config").header(header::CONTENT_TYPE, MERGE_PATCH);
    within(socket, request.body(Full::from(patch.to_string())), CHANGE).await
}

/// One question, one connection.
pub async fn get<T: DeserializeOwned>(socket: &Path, route: &str) -> Result<T, ClientError> {
    within(socket, Request::get(route).body(Full::default()), LOOK).await
}

async fn within<T: DeserializeOwned>(
    socket: &Path,
    request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    limits: Limits,
) -> Result<T, ClientError> {
    let deadline = limits.deadline;
    let path = socket.display().to_string();
    let request = request
        .map_err(|error| ClientError::Garbled { path: path.clone(), what: error.to_string() })?;
    let (status, body) = tokio::time::timeout(deadline, ask(socket, request, limits.bytes))
        .await
        .map_err(|_| ClientError::Late { path: path.clone(), deadline })??;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body)
            .map_err(|error| ClientError::Garbled { path, what: error.to_string() });
    }
    Err(match serde_json::from_slice::<ErrorReport>(&body) {
        Ok(report) => ClientError::Refused(report.error),
        Err(_) => ClientError::Garbled { path, what: format!("status {status}") },
    })
}

async fn ask(
    socket: &Path,
    mut request: Request<Full<Bytes>>,
    most_bytes: usize,
) -> Result<(StatusCode, Bytes), ClientError> {
    let path = || socket.display().to_string();
    let garbled = |what: String| ClientError::Garbled { path: path(), what };
    let stream = UnixStream::connect(socket).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ClientError::NotRunning(path()),
        io::ErrorKind::ConnectionRefused => ClientError::NotRunning(path()),
        io::ErrorKind::PermissionDenied => ClientError::Denied(path()),
        _ => ClientError::Io { path: path(), source },
    })?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("weir"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| garbled(error.to_string()))?;
    let answer = async {
        let response =
            sender.send_request(request).await.map_err(|error| garbled(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), most_bytes)
            .collect()
            .await
            .map_err(|error| garbled(error.to_string()))?;
        Ok((status, body.to_bytes()))
    };
    // The connection only moves while it is polled; both here, so that no task outlives the call.
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answered = &mut answer => answered,
        closed = connection => match closed {
            Ok(()) => answer.await,
            Err(error) => Err(garbled(error.to_string())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn without_a_weir_the_error_says_how_to_start_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.sock");
        let expected = format!(
            "no weir is running here ({}): start one with `weir run`, or name its socket with --control",
            path.display()
        );
        assert_eq!(stats(&path).await.unwrap_err().to_string(), expected);
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(stats(&path).await.unwrap_err().to_string(), expected);
    }

    #[tokio::test]
    async fn a_weir_that_does_not_answer_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.sock");
        let _silent = UnixListener::bind(&path).unwrap();
        let request = Request::get("/v1/stats").body(Full::default());
        let soon = Limits { deadline: Duration::from_millis(50), ..LOOK };
        let error = within::<StatsReport>(&path, request, soon).await.unwrap_err();
        assert!(matches!(error, ClientError::Late { .. }), "{error}");
    }

    #[tokio::test]
    async fn something_else_on_the_socket_is_no_weir() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let other = async {
            for answer in ["220 smtp\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let asking = async {
            for _ in 0..2 {
                let error = stats(&path).await.unwrap_err();
                assert!(matches!(error, ClientError::Garbled { .. }), "{error}");
            }
        };
        tokio::join!(other, asking);
    }
}
