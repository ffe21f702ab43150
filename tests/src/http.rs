//! One request over a Unix socket: enough HTTP/1.1 for weir's API, and no runtime.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Fetches `path` and returns the body of a 200 answer.
pub fn get(socket: &Path, path: &str) -> Result<String> {
    let answer = request(socket, "GET", path, None)?;
    if answer.status != 200 {
        bail!("GET {path}: status {}: {}", answer.status, answer.body);
    }
    Ok(answer.body)
}

/// Sends a merge patch and returns the answer, whatever it is.
pub fn patch(socket: &Path, path: &str, body: &str) -> Result<Answer> {
    request(socket, "PATCH", path, Some(body))
}

fn request(socket: &Path, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("nobody listens on {}", socket.display()))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n");
    if let Some(body) = body {
        text.push_str("Content-Type: application/merge-patch+json\r\n");
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("the answer did not come")?;
    parse(&answer).with_context(|| format!("{method} {path}"))
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
