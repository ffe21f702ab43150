//! An answer of a running weir that goes on. Invariant: dropping it closes the connection, which
//! ends the watching there.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::client::{ClientError, DEADLINE};
use crate::control::api::WATCH_ID;
use crate::control::report::ErrorReport;

const MAX_ERROR_BYTES: usize = 64 << 10;
/// For a connection whose end the other side does not notice.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// A connection is moved by a task of its own.
struct Moved(JoinHandle<()>);

impl Drop for Moved {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) struct Stream {
    socket: PathBuf,
    route: &'static str,
    id: Option<String>,
    body: Incoming,
    _connection: Moved,
}

impl Stream {
    /// Asks for `route`, with what stands behind the question mark.
    pub(super) async fn open(
        socket: &Path,
        route: &'static str,
        query: &str,
    ) -> Result<Self, ClientError> {
        let asked = ask(socket, Method::GET, format!("{route}?{query}"));
        let (response, connection) = within(socket, DEADLINE, asked).await?;
        let id = response.headers().get(WATCH_ID).and_then(|id| id.to_str().ok());
        let id = id.map(str::to_owned);
        Ok(Self {
            socket: socket.into(),
            route,
            id,
            body: response.into_body(),
            _connection: connection,
        })
    }

    /// The next part; `None` at the end. May be dropped half-way: nothing is lost then.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(part) = frame.into_data() {
                        return Ok(Some(part));
                    }
                }
                Some(Err(error)) => {
                    return Err(garbled(&self.socket, format!("the answer broke off: {error}")));
                }
            }
        }
    }

    /// Has the other side end properly; what is left still comes.
    pub(super) async fn finish(&self) -> Result<(), ClientError> {
        let id = self.id.as_deref().map(|id| format!("?id={id}")).unwrap_or_default();
        let asked = ask(&self.socket, Method::DELETE, format!("{}{id}", self.route));
        within(&self.socket, END_DEADLINE, asked).await.map(drop)
    }
}

async fn within<T>(
    socket: &Path,
    deadline: Duration,
    asked: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let path = socket.display().to_string();
    tokio::time::timeout(deadline, asked).await.map_err(|_| ClientError::Late { path, deadline })?
}

fn garbled(socket: &Path, what: String) -> ClientError {
    ClientError::Garbled { path: socket.display().to_string(), what }
}

async fn ask(
    socket: &Path,
    method: Method,
    route: String,
) -> Result<(Response<Incoming>, Moved), ClientError> {
    let path = || socket.display().to_string();
    let stream = UnixStream::connect(socket).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ClientError::NotRunning(path())
        }
        io::ErrorKind::PermissionDenied => ClientError::Denied(path()),
        _ => ClientError::Io { path: path(), source },
    })?;
    let who = format!("weir, process {}", std::process::id());
    let request = Request::builder()
        .method(method)
        .uri(route)
        .header(header::HOST, "weir")
        .header(header::USER_AGENT, who)
        .body(Empty::<Bytes>::new())
        .map_err(|error| garbled(socket, error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| garbled(socket, error.to_string()))?;
    // What goes wrong there is told by the answer, too.
    let moved = Moved(tokio::spawn(async move { drop(connection.await) }));
    let response =
        sender.send_request(request).await.map_err(|error| garbled(socket, error.to_string()))?;
    if response.status() == StatusCode::OK {
        return Ok((response, moved));
    }
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ERROR_BYTES).collect().await;
    let report = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
    Err(match report {
        Some(ErrorReport { error }) => ClientError::Refused(error),
        None => garbled(socket, format!("status {status}")),
    })
}
