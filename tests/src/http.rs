//! One request over a Unix socket: enough HTTP/1.1 for weir's API, and no runtime.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(5);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Fetches `path` and returns the body of a 200 answer.
pub fn get(socket: &Path, path: &str) -> Result<String> {
    ask(socket, "GET", path)
}

/// Posts nothing to `path` and returns the body of a 200 answer.
pub fn post(socket: &Path, path: &str) -> Result<String> {
    ask(socket, "POST", path)
}

fn ask(socket: &Path, method: &str, path: &str) -> Result<String> {
    let answer = request(socket, method, path, None)?;
    if answer.status != 200 {
        bail!("{method} {path}: status {}: {}", answer.status, answer.body);
    }
    Ok(answer.body)
}

/// Sends a merge patch and returns the answer, whatever it is.
pub fn patch(socket: &Path, path: &str, body: &str) -> Result<Answer> {
    request(socket, "PATCH", path, Some(body))
}

/// Reads what `path` answers for this long and hangs up: for answers that never end. Gives the
/// status and how many bytes came in all.
pub fn taste(socket: &Path, path: &str, time: Duration) -> Result<(u16, usize)> {
    let mut stream = send(socket, "GET", path, None)?;
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    let (mut came, mut buffer, start) = (Vec::new(), vec![0; 1 << 16], Instant::now());
    while start.elapsed() < time || came.is_empty() {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(more) => came.extend_from_slice(buffer.get(..more).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock && start.elapsed() < PATIENCE => {}
            Err(error) => return Err(error).context("the answer did not come"),
        }
    }
    let head = came.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = String::from_utf8_lossy(head).split_whitespace().nth(1).map(str::parse);
    let status = status.context("the answer has no status")?.context("the status is no number")?;
    Ok((status, came.len()))
}

/// Asks without a body and returns the answer, whatever it is.
pub fn ask_any(socket: &Path, method: &str, path: &str) -> Result<Answer> {
    request(socket, method, path, None)
}

fn request(socket: &Path, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
    let mut stream = send(socket, method, path, body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("the answer did not come")?;
    parse(&answer).with_context(|| format!("{method} {path}"))
}

fn send(socket: &Path, method: &str, path: &str, body: Option<&str>) -> Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("nobody listens on {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n");
    if let Some(body) = body {
        text.push_str("Content-Type: application/merge-patch+json\r\n");
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    stream.write_all(text.as_bytes())?;
    Ok(stream)
}

fn parse(answer: &[u8]) -> Result<Answer> {
    let text = std::str::from_utf8(answer).context("the answer is not UTF-8")?;
    let (head, body) = text.split_once("\r\n\r\n").context("the answer has no end of headers")?;
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body)? } else { body.to_owned() };
    Ok(Answer { status: status.context("the answer has no status")?, body })
}

fn unchunk(mut body: &str) -> Result<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").context("a chunk without a size")?;
        let size = usize::from_str_radix(size.trim(), 16).context("a chunk's size")?;
        if size == 0 {
            return Ok(whole);
        }
        whole.push_str(rest.get(..size).context("a chunk is cut short")?);
        body = rest.get(size + 2..).context("a chunk without an end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn takes_plain_and_chunked_bodies_and_every_status() {
        let plain = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!((plain.status, plain.body.as_str()), (200, "{}"));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().body, "abcd");
        let refused = parse(b"HTTP/1.1 404 Not Found\r\n\r\nno such page").unwrap();
        assert_eq!((refused.status, refused.body.as_str()), (404, "no such page"));
        assert!(parse(b"HTTP/1.1 huh\r\n\r\n").is_err());
    }
}
