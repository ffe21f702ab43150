//! The listener over real sockets, with made-up numbers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, oneshot},
    task::JoinHandle,
};

use super::*;
use weir_api::Refused;

#[derive(Debug, Default)]
struct Twin {
    taken: AtomicUsize,
    finished: AtomicUsize,
    broken: AtomicBool,
    /// While this is set, requests wait for `go`.
    stuck: AtomicBool,
    go: Notify,
}

impl Numbers for Twin {
    async fn sample(&self) -> Result<Sample, Refused> {
        self.taken.fetch_add(1, SeqCst);
        if self.stuck.load(SeqCst) {
            self.go.notified().await;
        }
        self.finished.fetch_add(1, SeqCst);
        match self.broken.load(SeqCst) {
            true => Err(Refused::unavailable("the worker on core 3 has ended")),
            false => Ok(sample()),
        }
    }
}

struct Running {
    address: SocketAddr,
    twin: Arc<Twin>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn start(twin: Twin) -> Running {
    let listener = claim("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, twin) = (listener.local_addr().unwrap(), Arc::new(twin));
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, Arc::clone(&twin), async move {
        let _ = stopped.await;
    }));
    Running { address, twin, stop, served }
}

impl Running {
    /// Returns status line and headers, and body.
    async fn ask(&self, request: &str) -> (String, String) {
        ask(self.address, request).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
        assert!(TcpStream::connect(self.address).await.is_err(), "it still listens");
    }
}

async fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Without `connection: close`: the server decides when to close.
    stream.write_all(format!("{request}\r\nhost: weir\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

const METRICS: &str = "GET /metrics HTTP/1.1";

#[tokio::test]
async fn the_routes_answer_in_the_format_that_was_asked_for() {
    let weir = start(Twin::default()).await;
    let open = format!("{METRICS}\r\naccept: application/openmetrics-text;version=1.0.0");
    let (head, body) = weir.ask(&open).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert_eq!(body, text());
    let (head, body) = weir.ask(METRICS).await;
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("# TYPE weir_port_frames_total counter\n") && !body.contains("# EOF"));
    let (head, body) = weir.ask("GET /healthz HTTP/1.1").await;
    assert_eq!((head.starts_with("http/1.1 200"), body.as_str()), (true, "ok\n"));
    let (head, body) = weir.ask("GET / HTTP/1.1").await;
    assert!(head.contains("text/html") && body.contains("href=\"/metrics\""), "{head}\n{body}");
    let (head, body) = weir.ask("GET /v1/stats HTTP/1.1").await;
    assert!(head.starts_with("http/1.1 404") && body.contains("valid: /metrics"), "{body}");
    let (head, _) = weir.ask("POST /metrics HTTP/1.1\r\ncontent-length: 0").await;
    assert!(head.starts_with("http/1.1 405"), "{head}");
    weir.stop().await;
}

#[tokio::test]
async fn however_many_ask_one_sample_is_taken() {
    let weir = start(Twin::default()).await;
    weir.twin.stuck.store(true, SeqCst);
    let askers: Vec<_> = (0..5).map(|_| tokio::spawn(ask(weir.address, METRICS))).collect();
    while weir.twin.taken.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    weir.twin.stuck.store(false, SeqCst);
    weir.twin.go.notify_one();
    for asker in askers {
        asker.await.unwrap();
    }
    assert_eq!(weir.twin.taken.load(SeqCst), 1);
    weir.stop().await;
}

#[tokio::test]
async fn workers_that_do_not_answer_are_asked_once_and_the_client_is_told() {
    let weir = start(Twin::default()).await;
    weir.twin.stuck.store(true, SeqCst);
    for request in [METRICS, "GET /healthz HTTP/1.1", METRICS] {
        let (head, body) = weir.ask(request).await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert!(body.contains("the workers did not answer within"), "{body}");
    }
    // All clients have given up; the sample has not, and is completed.
    assert_eq!((weir.twin.taken.load(SeqCst), weir.twin.finished.load(SeqCst)), (1, 0));
    weir.twin.go.notify_one();
    while weir.twin.finished.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    weir.stop().await;
}

#[tokio::test]
async fn unhealthy_says_why() {
    let weir = start(Twin::default()).await;
    weir.twin.broken.store(true, SeqCst);
    for path in ["/healthz", "/metrics"] {
        let (head, body) = weir.ask(&format!("GET {path} HTTP/1.1")).await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert_eq!(body, "the worker on core 3 has ended\n");
    }
    weir.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_refused_and_names_the_key() {
    let weir = start(Twin::default()).await;
    let error = claim(weir.address).await.unwrap_err().to_string();
    let begins =
        format!("forwarder.metrics: {} is in use by another program; valid: ", weir.address);
    assert!(error.starts_with(&begins), "{error}");
    weir.stop().await;
}

#[tokio::test]
async fn those_who_connect_and_say_nothing_lock_nobody_out() {
    let weir = start(Twin::default()).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(weir.address).await.unwrap());
    }
    let answered = tokio::time::timeout(Duration::from_secs(60), weir.ask(METRICS)).await;
    assert!(answered.unwrap().0.starts_with("http/1.1 200"));
    // Nor do they delay its end.
    weir.stop().await;
}
