//! The API over a real socket, with numbers that nobody had to forward a frame for.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::{
    cli::client::{self, ClientError},
    control::report::VERSION,
};

#[derive(Debug, Default)]
struct Twin {
    broken: bool,
    stuck: bool,
}

impl Backend for Twin {
    async fn stats(&self) -> Result<StatsReport, BackendError> {
        if self.stuck {
            std::future::pending::<()>().await;
        }
        if self.broken {
            return Err(BackendError("the worker has ended".into()));
        }
        Ok(StatsReport { version: VERSION, uptime_ns: 42, ..StatsReport::default() })
    }

    async fn ports(&self) -> Result<PortList, BackendError> {
        Ok(PortList { version: VERSION, ports: Vec::new() })
    }
}

struct Running {
    path: PathBuf,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
    _dir: tempfile::TempDir,
}

fn start(backend: Twin) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    let socket = ControlSocket::claim(&path).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(socket, Arc::new(backend), async move {
        let _ = stopped.await;
    }));
    Running { path, stop, served, _dir: dir }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        assert!(!self.path.exists(), "the socket stayed behind");
    }
}

/// Status line and body, as `curl` would see them.
async fn raw(path: &Path, request: &str) -> (String, serde_json::Value) {
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn the_routes_answer() {
    let weir = start(Twin::default());
    assert_eq!(client::stats(&weir.path).await.unwrap().uptime_ns, 42);
    assert_eq!(client::ports(&weir.path).await.unwrap().version, VERSION);
    let health = client::health(&weir.path).await.unwrap();
    assert_eq!((health.status.as_str(), health.pid), ("ok", u64::from(std::process::id())));
    let (status, body) = raw(&weir.path, "GET /").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let paths: Vec<&str> =
        body["routes"].as_array().unwrap().iter().map(|r| r["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/", "/v1/stats", "/v1/ports", "/v1/health"]);
    let (_, body) = raw(&weir.path, "GET /v1/stats").await;
    assert_eq!(body["ledger"]["balanced"], true);
    weir.stop().await;
}

#[tokio::test]
async fn errors_are_json_and_say_what_would_be_valid() {
    let weir = start(Twin::default());
    let (status, body) = raw(&weir.path, "GET /v1/stat").await;
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert_eq!(body["error"], "there is no /v1/stat; valid: /, /v1/stats, /v1/ports, /v1/health");
    let (status, body) = raw(&weir.path, "POST /v1/stats").await;
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(body["error"], "POST /v1/stats is not possible; valid: GET");
    weir.stop().await;

    let weir = start(Twin { broken: true, ..Twin::default() });
    for route in ["/v1/stats", "/v1/health"] {
        let (status, body) = raw(&weir.path, &format!("GET {route}")).await;
        assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(body["error"], "the worker has ended");
    }
    let error = client::stats(&weir.path).await.unwrap_err();
    assert_eq!(error.to_string(), "weir refused: the worker has ended");
    weir.stop().await;
}

#[tokio::test]
async fn a_stuck_worker_is_reported_and_does_not_delay_the_end() {
    let weir = start(Twin { stuck: true, ..Twin::default() });
    let error = client::stats(&weir.path).await.unwrap_err();
    let expected = "the worker did not answer within 100ms; see weir's log";
    assert!(matches!(&error, ClientError::Refused(why) if why == expected), "{error}");
    // A client that connects and says nothing is left behind.
    let _silent = UnixStream::connect(&weir.path).unwrap();
    weir.stop().await;
}

#[test]
fn the_socket_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    let socket = ControlSocket::claim(&path).unwrap();
    let found = fs::symlink_metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    drop(socket);
    assert!(!path.exists());
}

#[test]
fn a_live_weirs_socket_is_left_alone_and_a_dead_ones_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    let live = ControlSocket::claim(&path).unwrap();
    let error = ControlSocket::claim(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: a weir is running already (process {}): stop it first, or give this one another --control",
            path.display(),
            std::process::id()
        )
    );
    drop(live);
    // What kill -9 leaves behind: a file that nobody listens on.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let again = ControlSocket::claim(&path).unwrap();
    assert!(UnixStream::connect(&path).is_ok());

    // What somebody else put there since is not ours to remove.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "theirs").unwrap();
    drop(again);
    assert!(path.exists());
}

#[test]
fn what_is_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    fs::write(&path, "precious").unwrap();
    let error = ControlSocket::claim(&path).unwrap_err();
    assert!(matches!(error, SocketError::NotASocket { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let error = ControlSocket::claim(&dir.path().join("none/weir.sock")).unwrap_err();
    assert!(matches!(error, SocketError::NoDirectory { .. }), "{error}");
}

#[test]
fn of_many_that_start_at_once_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    drop(UnixListener::bind(&path).unwrap());
    let claims: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (0..8).map(|_| scope.spawn(|| ControlSocket::claim(&path))).collect();
        starting.into_iter().map(|claim| claim.join().unwrap()).collect()
    });
    assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1, "{claims:?}");
    assert!(UnixStream::connect(&path).is_ok());
}
