//! The API over a real socket, with made-up numbers.

mod changes;
mod documented;
mod socket;
mod watching;

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Mutex,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
};

use serde_json::{Value, json};
use tokio::sync::Notify;
use weir_core::Role;
use weir_schema::{Host, Plan, parse};

use super::*;
use weir_api::{Attached, Client, ClientError, PortInfo, VERSION};

#[derive(Debug)]
pub(crate) struct Twin {
    broken: bool,
    /// The last query for flows.
    asked: Arc<Mutex<FlowQuery>>,
    stuck: bool,
    /// Notified when a stuck change waits.
    reached: Arc<Notify>,
    plan: Arc<Mutex<Plan>>,
}

impl Default for Twin {
    fn default() -> Self {
        let file = "[[port]]\nname = 'nic0'\nrole = 'uplink'\nrate = '10Mbit'\n\
                    [[port]]\nname = 'v1'\n";
        let plan = parse(file, "f", &Host { cores: vec![0] }).unwrap();
        let plan = Arc::new(Mutex::new(plan));
        Self { broken: false, asked: Arc::default(), stuck: false, reached: Arc::default(), plan }
    }
}

impl Backend for Twin {
    async fn stats(&self) -> Result<StatsReport, Refused> {
        if self.stuck {
            std::future::pending::<()>().await;
        }
        if self.broken {
            return Err(Refused::unavailable("the worker has ended"));
        }
        Ok(StatsReport { version: VERSION, uptime_ns: 42, ..StatsReport::default() })
    }

    async fn ports(&self) -> Result<PortList, Refused> {
        let names = ["nic0", "v1"].map(|name| PortInfo { name: name.into(), ..port() });
        Ok(PortList { version: VERSION, ports: names.into() })
    }

    async fn latency(&self, query: LatencyQuery) -> Result<LatencyReport, Refused> {
        if self.stuck {
            std::future::pending::<()>().await;
        }
        let until_unix_ns = u64::from(query.histograms) + 2 * u64::from(query.reset);
        Ok(LatencyReport { version: VERSION, until_unix_ns, ..LatencyReport::default() })
    }

    async fn flows(&self, query: FlowQuery) -> Result<FlowsReport, Refused> {
        *self.asked.lock().unwrap() = query;
        if self.broken {
            return Err(Refused::unavailable("the worker has ended"));
        }
        Ok(FlowsReport { version: VERSION, ..FlowsReport::default() })
    }

    async fn config(&self) -> Result<Value, Refused> {
        Ok(self.plan.lock().unwrap().document(&[]))
    }

    async fn patch(&self, patch: Value) -> Result<Value, Refused> {
        if self.stuck {
            tokio::task::yield_now().await;
            self.reached.notified().await;
        }
        let mut plan = self.plan.lock().unwrap();
        *plan = plan.patch(&patch, &[]).map_err(crate::service::forwarder::refused)?;
        Ok(plan.document(&[]))
    }

    async fn watch(&self, query: WatchQuery, who: String) -> Result<WatchStream, Refused> {
        if self.broken {
            return Err(Refused::new(StatusCode::CONFLICT, format!("{who} is not the first")));
        }
        let (give, parts) = tokio::sync::mpsc::channel(4);
        give.send(format!("{query:?}\n").into()).await.unwrap();
        let reached = Arc::clone(&self.reached);
        tokio::spawn(async move {
            give.closed().await;
            reached.notify_one();
        });
        Ok(WatchStream { id: 7, parts })
    }

    fn end_watch(&self, id: Option<u64>) -> Option<String> {
        (id == Some(7)).then(|| "the twin".to_owned())
    }
}

fn port() -> PortInfo {
    PortInfo {
        name: String::new(),
        role: Role::Vif,
        state: weir_api::State::Up,
        problem: None,
        mode: Attached::Gate,
        driver: String::new(),
        ifindex: 0,
        mtu: 1500,
        queues: 1,
        superframes: false,
        express: None,
        express_remark: None,
        kept: None,
    }
}

pub(crate) struct Running {
    pub(crate) path: PathBuf,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
    _dir: tempfile::TempDir,
}

pub(crate) fn start(backend: Twin) -> Running {
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
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        assert!(!self.path.exists(), "the socket stayed behind");
    }
}

/// Status line and body, as `curl` would show them.
async fn raw(path: &Path, request: &str) -> (String, Value) {
    send(path, request, "", "").await
}

/// As `curl --json` would send it, apart from the content type.
async fn patch_as(path: &Path, kind: &str, body: &str) -> (String, Value) {
    let headers = format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
    let (status, body) = send(path, "PATCH /v1/config", &headers, body).await;
    (status.split(' ').nth(1).unwrap().to_owned(), body)
}

async fn send(path: &Path, request: &str, headers: &str, body: &str) -> (String, Value) {
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    let request =
        format!("{request} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n{headers}\r\n{body}");
    // A client that sends too much gets an answer, and the connection closes before all of it is read.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn the_routes_answer() {
    let weir = start(Twin::default());
    assert_eq!(Client::at(&weir.path).stats().await.unwrap().uptime_ns, 42);
    assert_eq!(Client::at(&weir.path).ports().await.unwrap().version, VERSION);
    let health = Client::at(&weir.path).health().await.unwrap();
    assert_eq!((health.status.as_str(), health.pid), ("ok", u64::from(std::process::id())));
    let (status, body) = raw(&weir.path, "GET /").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let paths: Vec<&str> =
        body["routes"].as_array().unwrap().iter().map(|r| r["path"].as_str().unwrap()).collect();
    let expected = [
        "/",
        "/v1/stats",
        "/v1/ports",
        "/v1/health",
        "/v1/config",
        "/v1/config",
        "/v1/capture",
        "/v1/capture",
        "/v1/trace",
        "/v1/trace",
        "/v1/latency",
        "/v1/latency/reset",
        "/v1/flows",
        "/v1/flows/reset",
    ];
    assert_eq!(paths, expected);
    let (_, body) = raw(&weir.path, "GET /v1/stats").await;
    assert_eq!(body["ledger"]["lost"], 0);
    weir.stop().await;
}

#[tokio::test]
async fn errors_are_json_and_say_what_would_be_valid() {
    let weir = start(Twin::default());
    let (status, body) = raw(&weir.path, "GET /v1/stat").await;
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert_eq!(
        body["error"],
        "there is no /v1/stat; valid: /, /v1/stats, /v1/ports, /v1/health, /v1/config, \
         /v1/capture, /v1/trace, /v1/latency, /v1/latency/reset, /v1/flows, /v1/flows/reset"
    );
    let (status, body) = raw(&weir.path, "POST /v1/stats").await;
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(body["error"], "POST /v1/stats is not possible; valid: GET");
    let (_, body) = raw(&weir.path, "DELETE /v1/config").await;
    assert_eq!(body["error"], "DELETE /v1/config is not possible; valid: GET, PATCH");
    weir.stop().await;

    let weir = start(Twin { broken: true, ..Twin::default() });
    for route in ["/v1/stats", "/v1/health"] {
        let (status, body) = raw(&weir.path, &format!("GET {route}")).await;
        assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(body["error"], "the worker has ended");
    }
    let error = Client::at(&weir.path).stats().await.unwrap_err();
    assert_eq!(error.to_string(), "weir refused: the worker has ended");
    weir.stop().await;
}

#[tokio::test]
async fn what_was_measured_is_asked_for_and_reset() {
    let twin = Twin::default();
    let asked = Arc::clone(&twin.asked);
    let asked = || asked.lock().unwrap().clone();
    let weir = start(twin);
    let client = Client::at(&weir.path);
    for (histograms, reset) in [(false, false), (false, true), (true, false), (true, true)] {
        let report = client.latency(LatencyQuery { histograms, reset }).await.unwrap();
        assert_eq!(report.until_unix_ns, u64::from(histograms) + 2 * u64::from(reset));
    }
    let of_v1 = FlowQuery { top: Some(3), vif: Some("v1".into()), ..FlowQuery::default() };
    let reset = FlowQuery { histograms: true, reset: true, ..FlowQuery::default() };
    for query in [FlowQuery::default(), of_v1, reset] {
        client.flows(&query).await.unwrap();
        assert_eq!(asked(), query);
    }
    weir.stop().await;
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_not_answered_in_part() {
    let twin = Twin::default();
    let asked = Arc::clone(&twin.asked);
    let weir = start(twin);
    for (request, status, error) in [
        (
            "GET /v1/latency?histogram=true",
            "400 Bad Request",
            "histogram: unknown key; did you mean `histograms`?; valid: histograms",
        ),
        (
            "GET /v1/flows?reset=true",
            "400 Bad Request",
            "reset: unknown key; it is a POST to this path and /reset; valid: histograms, top, vif",
        ),
        (
            "POST /v1/flows/reset?vif=v1",
            "400 Bad Request",
            "vif: unknown key; valid: histograms, top",
        ),
        ("GET /v1/flows?vif=v2", "404 Not Found", "there is no port \"v2\"; valid: nic0, v1"),
        (
            "GET /v1/flows/reset",
            "405 Method Not Allowed",
            "GET /v1/flows/reset is not possible; valid: POST",
        ),
    ] {
        let (answered, body) = raw(&weir.path, request).await;
        assert_eq!(
            (answered.as_str(), body["error"].as_str()),
            (&*format!("HTTP/1.1 {status}"), Some(error))
        );
    }
    assert_eq!(*asked.lock().unwrap(), FlowQuery::default());
    weir.stop().await;

    let weir = start(Twin { broken: true, ..Twin::default() });
    let error = Client::at(&weir.path).flows(&FlowQuery::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "weir refused: the worker has ended");
    weir.stop().await;
    let weir = start(Twin { stuck: true, ..Twin::default() });
    let error = Client::at(&weir.path).latency(LatencyQuery::default()).await.unwrap_err();
    assert!(error.to_string().contains("did not answer within 100ms"), "{error}");
    weir.stop().await;
}

#[tokio::test]
async fn a_stuck_worker_is_reported_and_does_not_delay_the_end() {
    let weir = start(Twin { stuck: true, ..Twin::default() });
    let error = Client::at(&weir.path).stats().await.unwrap_err();
    let expected = "the worker did not answer within 100ms; see weir's log";
    assert!(matches!(&error, ClientError::Refused(why) if why.error == expected), "{error}");
    // A client that connects and sends nothing is abandoned.
    let _silent = UnixStream::connect(&weir.path).unwrap();
    weir.stop().await;
}

#[test]
fn every_route_is_documented() {
    let page = include_str!("../../../../docs/json.md");
    for route in ROUTES.iter().filter(|route| route.path != "/") {
        let named = format!("{} {}", route.method, route.path);
        assert!(page.contains(&named), "not in docs/json.md: {named}");
    }
}
