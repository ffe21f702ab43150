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
    assert_eq!(Client::at(&path).stats().await.unwrap_err().to_string(), expected);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(Client::at(&path).stats().await.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn a_weir_that_does_not_answer_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    let _silent = UnixListener::bind(&path).unwrap();
    let request = Request::get("/v1/stats");
    let soon = Limits { deadline: Duration::from_millis(50), ..LOOK };
    let error =
        Client::at(&path).read::<StatsReport>(request, String::new(), soon).await.unwrap_err();
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
            let error = Client::at(&path).stats().await.unwrap_err();
            assert!(matches!(error, ClientError::Garbled { .. }), "{error}");
        }
    };
    tokio::join!(other, asking);
}
