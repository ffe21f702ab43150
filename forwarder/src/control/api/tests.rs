//! The API over a real socket, with numbers that nobody had to forward a frame for.

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

use super::*;
use crate::{
    cli::client::{self, ClientError},
    control::{
        config::{Host, parse},
        plan::{Plan, Role},
        report::{self, Attached, PortInfo, VERSION},
    },
};

#[derive(Debug)]
struct Twin {
    broken: bool,
    /// What was asked for of the flows, last.
    asked: Arc<Mutex<FlowQuery>>,
    stuck: bool,
    /// What a stuck change waits for.
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
        let names = ["nic0", "v1"].map(|name| PortInfo { name: name.into(), ..port() });
        Ok(PortList { version: VERSION, ports: names.into() })
    }

    async fn latency(&self, histograms: bool, reset: bool) -> Result<LatencyReport, BackendError> {
        if self.stuck {
            std::future::pending::<()>().await;
        }
        let until_unix_ns = u64::from(histograms) + 2 * u64::from(reset);
        Ok(LatencyReport { version: VERSION, until_unix_ns, ..LatencyReport::default() })
    }

    async fn flows(&self, query: FlowQuery) -> Result<FlowsReport, BackendError> {
        *self.asked.lock().unwrap() = query;
        if self.broken {
            return Err(BackendError("the worker has ended".into()));
        }
        Ok(FlowsReport { version: VERSION, ..FlowsReport::default() })
    }

    async fn config(&self) -> Result<Value, BackendError> {
        Ok(self.plan.lock().unwrap().document(&[]))
    }

    async fn patch(&self, patch: Value) -> Result<Value, PatchRefused> {
        if self.stuck {
            tokio::task::yield_now().await;
            self.reached.notified().await;
        }
        let mut plan = self.plan.lock().unwrap();
        *plan = plan.patch(&patch, &[])?;
        Ok(plan.document(&[]))
    }

    async fn watch(&self, wanted: Wanted, who: String) -> Result<Watching, WatchRefused> {
        if self.broken {
            return Err(WatchRefused { status: 409, error: format!("{who} is not the first") });
        }
        let (give, parts) = tokio::sync::mpsc::channel(4);
        give.send(format!("{wanted:?}\n").into()).await.unwrap();
        let reached = Arc::clone(&self.reached);
        tokio::spawn(async move {
            give.closed().await;
            reached.notify_one();
        });
        Ok(Watching { id: 7, parts })
    }

    fn end_watch(&self, id: Option<u64>) -> Option<String> {
        (id == Some(7)).then(|| "the twin".to_owned())
    }
}

fn port() -> PortInfo {
    PortInfo {
        name: String::new(),
        role: Role::Vif,
        state: report::State::Up,
        problem: None,
        mode: Attached::Skb,
        driver: String::new(),
        ifindex: 0,
        mtu: 1500,
        queues: 1,
        superframes: false,
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
async fn raw(path: &Path, request: &str) -> (String, Value) {
    send(path, request, "", "").await
}

/// As `curl --json` would send it, but for the content type.
async fn patch_as(path: &Path, kind: &str, body: &str) -> (String, Value) {
    let headers = format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
    let (status, body) = send(path, "PATCH /v1/config", &headers, body).await;
    (status.split(' ').nth(1).unwrap().to_owned(), body)
}

async fn send(path: &Path, request: &str, headers: &str, body: &str) -> (String, Value) {
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    let request =
        format!("{request} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n{headers}\r\n{body}");
    // Whoever sends too much is answered, and hung up on before all of it is read.
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
    assert_eq!(client::stats(&weir.path).await.unwrap().uptime_ns, 42);
    assert_eq!(client::ports(&weir.path).await.unwrap().version, VERSION);
    let health = client::health(&weir.path).await.unwrap();
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
    assert_eq!(body["ledger"]["balanced"], true);
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
    let error = client::stats(&weir.path).await.unwrap_err();
    assert_eq!(error.to_string(), "weir refused: the worker has ended");
    weir.stop().await;
}

#[tokio::test]
async fn what_was_measured_is_asked_for_and_reset() {
    let twin = Twin::default();
    let asked = Arc::clone(&twin.asked);
    let asked = || asked.lock().unwrap().clone();
    let weir = start(twin);
    for (query, short, reset) in [("", 0, 2), ("histograms=true", 1, 3)] {
        assert_eq!(client::latency(&weir.path, query).await.unwrap().until_unix_ns, short);
        assert_eq!(client::reset_latency(&weir.path, query).await.unwrap().until_unix_ns, reset);
    }
    client::flows(&weir.path, "").await.unwrap();
    assert_eq!(asked(), FlowQuery::default());
    client::flows(&weir.path, "vif=v1&top=3").await.unwrap();
    let expected = FlowQuery { top: Some(3), vif: Some("v1".into()), ..FlowQuery::default() };
    assert_eq!(asked(), expected);
    client::reset_flows(&weir.path, "histograms=true").await.unwrap();
    assert_eq!(asked(), FlowQuery { histograms: true, reset: true, ..FlowQuery::default() });
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
    let error = client::flows(&weir.path, "").await.unwrap_err();
    assert_eq!(error.to_string(), "weir refused: the worker has ended");
    weir.stop().await;
    let weir = start(Twin { stuck: true, ..Twin::default() });
    let error = client::latency(&weir.path, "").await.unwrap_err();
    assert!(error.to_string().contains("did not answer within 100ms"), "{error}");
    weir.stop().await;
}

#[tokio::test]
async fn the_configuration_is_shown_and_changed() {
    let weir = start(Twin::default());
    let before = client::config(&weir.path).await.unwrap();
    assert_eq!(before["ports"]["v1"]["weight"], 1);
    let after = client::patch(&weir.path, &json!({"ports": {"v1": {"weight": 4}}})).await.unwrap();
    assert_eq!(after["ports"]["v1"]["weight"], 4);
    assert_eq!(client::config(&weir.path).await.unwrap(), after);
    let body = r#"{"ports":{"v1":{"weight":null}}}"#;
    for kind in ["application/json", "Application/Merge-Patch+JSON; charset=utf-8"] {
        let (status, answer) = patch_as(&weir.path, kind, body).await;
        assert_eq!((status.as_str(), &answer), ("200", &before));
    }
    weir.stop().await;
}

#[tokio::test]
async fn the_commands_change_what_they_name() {
    use crate::cli::{CliError, args, change, port};
    use clap::Parser as _;

    let weir = start(Twin::default());
    let obey = async |line: &str| -> Result<(), CliError> {
        let cli = args::Cli::try_parse_from(line.split(' ')).unwrap();
        match cli.command {
            args::Command::Port(command) => port::run(&command, &weir.path).await,
            args::Command::Set(args) => change::set(&args, &weir.path).await,
            args::Command::Config(args) => change::config(&args, &weir.path).await,
            other => panic!("{other:?}"),
        }
    };
    obey("weir port set v1 --weight 4 --max-rate 5Mbit").await.unwrap();
    obey("weir port add v9 --weight 2").await.unwrap();
    obey("weir set scheduler.policy fifo").await.unwrap();
    obey("weir config").await.unwrap();
    let now = client::config(&weir.path).await.unwrap();
    assert_eq!(
        (&now["ports"]["v1"]["weight"], &now["ports"]["v9"]["weight"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(now["scheduler"]["policy"], "fifo");
    let again = obey("weir port add nic0").await.unwrap_err();
    let expected = "port nic0 is there already; to change it: weir port set nic0";
    assert_eq!((again.to_string().as_str(), again.exit_code()), (expected, 1));
    let refused = obey("weir port set v1 --min-rate 6Mbit").await.unwrap_err();
    let expected = "weir refused: ports.v1.min-rate: 6Mbit is above max-rate, 5Mbit; valid: at \
                    most 5Mbit";
    assert_eq!((refused.to_string().as_str(), refused.exit_code()), (expected, 1));
    let senseless = obey("weir set container.alpha much").await.unwrap_err();
    let expected = "container.alpha: \"much\" is no value of it; expected a fraction, such as 0.99";
    assert_eq!((senseless.to_string().as_str(), senseless.exit_code()), (expected, 2));
    assert_eq!(client::config(&weir.path).await.unwrap(), now);
    obey("weir port del v9").await.unwrap();
    assert_eq!(client::config(&weir.path).await.unwrap()["ports"].get("v9"), None);
    weir.stop().await;
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let weir = start(Twin::default());
    let before = client::config(&weir.path).await.unwrap();
    let kind = "application/merge-patch+json";
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
    for (kind, body, status, error) in [
        (
            "application/x-www-form-urlencoded",
            "{}",
            "415",
            "content-type \"application/x-www-form-urlencoded\" is no patch; valid: \
             application/merge-patch+json, application/json",
        ),
        (
            kind,
            "{\"ports\": ",
            "400",
            "the body is no JSON: EOF while parsing a value at line 1 column 10",
        ),
        (kind, "", "400", "the body is no JSON: EOF while parsing a value at line 1 column 0"),
        (kind, &long, "413", "a patch has at most 1048576 bytes"),
        (
            kind,
            r#"{"scheduler":{"policy":"fifo"},"ports":{"v1":{"weight":"4"}}}"#,
            "422",
            "ports.v1.weight: \"4\" is not a whole number; valid: a whole number from 1 to 1000",
        ),
        (
            kind,
            r#"{"ports":{"v1":{"min-rate":"11Mbit"}}}"#,
            "422",
            "ports.nic0.rate: 10Mbit is less than the sum of the other ports' min-rate, 11Mbit; \
             valid: at least 11Mbit",
        ),
        (
            kind,
            r#"{"ports":{"v1":{"weight":4},"v9":{"weight":4}}}"#,
            "404",
            "ports.v9: there is no such port; valid: a port that `weir port list` shows, or a \
             role for a new one",
        ),
    ] {
        let (answered, answer) = patch_as(&weir.path, kind, body).await;
        assert_eq!((answered.as_str(), answer["error"].as_str()), (status, Some(error)));
        assert_eq!(client::config(&weir.path).await.unwrap(), before, "{body}");
    }
    let refused = client::patch(&weir.path, &json!({"ports": 3})).await.unwrap_err();
    assert!(refused.to_string().starts_with("weir refused: ports: 3 is not a table"), "{refused}");
    weir.stop().await;
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_carried_to_its_end() {
    let twin = Twin { stuck: true, ..Twin::default() };
    let (go_on, plan) = (Arc::clone(&twin.reached), Arc::clone(&twin.plan));
    let weir = start(twin);
    let patch = r#"{"ports":{"v1":{"weight":4}}}"#;
    let (status, answer) = patch_as(&weir.path, "application/json", patch).await;
    assert_eq!(status, "504");
    assert!(answer["error"].as_str().unwrap().contains("goes on"), "{answer}");
    assert_eq!(plan.lock().unwrap().port_named("v1").weight, 1);
    go_on.notify_one();
    tokio::time::timeout(Duration::from_secs(10), async {
        while plan.lock().unwrap().port_named("v1").weight != 4 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
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

#[tokio::test]
async fn watching_goes_on_until_the_client_leaves() {
    let twin = Twin::default();
    let left = Arc::clone(&twin.reached);
    let running = start(twin);
    let mut stream = tokio::net::UnixStream::connect(&running.path).await.unwrap();
    let request = "GET /v1/capture?port=v1&port=v2&proto=udp HTTP/1.1\r\nhost: weir\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("Udp") {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "{answer}");
        answer.push_str(std::str::from_utf8(&part[..read]).unwrap());
    }
    assert!(answer.contains("weir-watch: 7\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/x-pcapng\r\n"), "{answer}");
    assert!(answer.contains("[\"v1\", \"v2\"]"), "{answer}");
    drop(stream);
    left.notified().await;
    running.stop().await;
}

#[tokio::test]
async fn watching_that_makes_no_sense_is_refused_before_it_begins() {
    let running = start(Twin { broken: true, ..Twin::default() });
    for (request, status, error) in [
        ("GET /v1/capture?dir=up", "400", "dir: \"up\" is not valid; valid: in, out, lost, both"),
        ("GET /v1/trace", "409", "somebody without a name is not the first"),
        ("DELETE /v1/capture?id=8", "404", "nobody watches, or another one does"),
        ("DELETE /v1/capture?id=x", "400", "id: \"x\" is not valid; valid: a number"),
    ] {
        let (answered, body) = raw(&running.path, request).await;
        assert!(answered.contains(status), "{request}: {answered}");
        assert_eq!(body["error"], error, "{request}");
    }
    let (answered, body) = raw(&running.path, "DELETE /v1/trace?id=7").await;
    assert!(answered.contains("200"), "{answered}");
    assert_eq!(body["ended"], "the twin");
    running.stop().await;
}

#[test]
fn every_route_is_documented() {
    let page = include_str!("../../../../docs/json.md");
    for route in all_routes().filter(|route| route.path != "/") {
        let named = format!("{} {}", route.method, route.path);
        assert!(page.contains(&named), "not in docs/json.md: {named}");
    }
}
