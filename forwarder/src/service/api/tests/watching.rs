//! Answers that are streams.

use super::*;

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
        ("GET /v1/trace", "409", "a client without a name is not the first"),
        ("DELETE /v1/capture?id=8", "404", "there is no watch, or it is another client's"),
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
