//! Reads an HTTP/1 request.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Most bytes of request line and headers.
const MAX_HEAD: usize = 16 << 10;

/// What is needed of a request.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// Whether only the headers of the answer are wanted.
    pub head: bool,
    /// The path's segments, decoded; the last is empty when the path ends with a slash.
    pub path: Vec<String>,
    /// What was sent with it, if it is a POST.
    pub body: Option<Vec<u8>>,
}

/// Why a request is not answered with a file.
#[derive(Debug, PartialEq)]
pub struct Refusal {
    /// The status line's code and phrase.
    pub status: &'static str,
    /// A line for whoever reads the answer.
    pub why: &'static str,
}

/// A [`Refusal`] as an error.
fn refuse<T>(status: &'static str, why: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, why })
}

impl Request {
    /// Reads until the empty line, and a body of up to `most_body` bytes; `None` when the client sends nothing, or not
    /// within `patience`.
    pub fn read(
        connection: &mut TcpStream,
        patience: Duration,
        most_body: usize,
    ) -> Result<Option<Self>, Refusal> {
        let deadline = Instant::now() + patience;
        let mut head = Vec::new();
        let mut block = [0; 2048];
        loop {
            let searched = head.len().saturating_sub(3);
            let count = match connection.read(&mut block) {
                Ok(count) if count > 0 && Instant::now() < deadline => count,
                _ => return Ok(None),
            };
            head.extend_from_slice(&block[..count]);
            if let Some(end) = head[searched..].windows(4).position(|w| w == b"\r\n\r\n") {
                let (mut request, length) = Self::parse(&head[..searched + end], most_body)?;
                if let Some(body) = &mut request.body {
                    body.extend_from_slice(&head[searched + end + 4..]);
                    let rest = length.saturating_sub(body.len()) as u64;
                    if connection.take(rest).read_to_end(body).is_err() || body.len() != length {
                        return Ok(None);
                    }
                }
                return Ok(Some(request));
            }
            if head.len() > MAX_HEAD {
                return refuse("431 Request Header Fields Too Large", "The request is too long.");
            }
        }
    }

    /// Parses request line and headers; tells the length of the body, too.
    fn parse(head: &[u8], most_body: usize) -> Result<(Self, usize), Refusal> {
        const BAD: &str = "400 Bad Request";
        let Ok(head) = std::str::from_utf8(head) else {
            return refuse(BAD, "The request is not text.");
        };
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return refuse(BAD, "The request line is not one of HTTP.");
        };
        if !version.starts_with("HTTP/1.") {
            return refuse("505 HTTP Version Not Supported", "Only HTTP/1 is spoken here.");
        }
        let mut length = 0;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                return refuse(BAD, "A header has no colon.");
            };
            // A page of another site can make its own name lead here, and would then read what is served.
            if name.eq_ignore_ascii_case("host") && !is_local(value.trim()) {
                return refuse(
                    "421 Misdirected Request",
                    "Only localhost and 127.0.0.1 are served.",
                );
            }
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(usize::MAX);
            }
        }
        let (head, body) = match method {
            "GET" => (false, None),
            "HEAD" => (true, None),
            "POST" if most_body > 0 && length > most_body => {
                return refuse("413 Content Too Large", "The request is too long.");
            }
            "POST" if most_body > 0 => (false, Some(Vec::new())),
            _ => return refuse("405 Method Not Allowed", "Only GET and HEAD are answered."),
        };
        match segments(target) {
            Some(path) => Ok((Self { head, path, body }, length)),
            None => refuse(BAD, "The path is not one of a file."),
        }
    }
}

/// Whether a host, with or without a port, is this machine.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1"
}

/// The decoded segments of a request target; `None` when one could lead astray.
fn segments(target: &str) -> Option<Vec<String>> {
    let path = target.split(['?', '#']).next()?;
    let encoded: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    let last = encoded.len() - 1;
    let mut segments = Vec::new();
    for (i, segment) in encoded.into_iter().enumerate() {
        let segment = decode(segment)?;
        let odd = segment.contains(['/', '\\', ':']) || segment.chars().any(char::is_control);
        // Hidden files are nobody's, `.` and `..` among them; browsers resolve those before they ask.
        if odd || segment.starts_with('.') {
            return None;
        }
        if i == last || !segment.is_empty() {
            segments.push(segment);
        }
    }
    Some(segments)
}

/// Decodes `%41` and the like.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next()?)? * 16 + digit(rest.next()?)?).ok()?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(target: &str) -> Option<Vec<String>> {
        segments(target)
    }
    fn status(head: &str) -> &'static str {
        Request::parse(head.as_bytes(), 0).map_or_else(|refusal| refusal.status, |_| "200")
    }

    #[test]
    fn bodies_where_they_are_taken() {
        let head = |length: &str| format!("POST / HTTP/1.1\r\nContent-Length: {length}");
        let length = |text: &str| {
            Request::parse(head(text).as_bytes(), 10).map_or_else(
                |refusal| Err(refusal.status),
                |(request, length)| Ok((request.body, length)),
            )
        };
        assert_eq!(length("10"), Ok((Some(Vec::new()), 10)));
        assert_eq!(length("11"), Err("413 Content Too Large"));
        assert_eq!(length("x"), Err("413 Content Too Large"));
    }

    #[test]
    fn paths() {
        assert_eq!(path("/"), Some(vec!["".to_owned()]));
        assert_eq!(
            path("/a/b.js?x=/../y#z"),
            Some(vec!["a".to_owned(), "b.js".to_owned()])
        );
        assert_eq!(path("//a//"), Some(vec!["a".to_owned(), "".to_owned()]));
        assert_eq!(path("/%C3%A9%20b"), Some(vec!["é b".to_owned()]));
        for astray in [
            "/..",
            "/a/../b",
            "/%2e%2E/x",
            "/%2e",
            "/a%2fb",
            "/..%5cx",
            "/c:",
            "/%00",
            "/%",
            "/%4",
            "/%zz",
            "/%ff",
            "a",
            "",
            "*",
            "http://127.0.0.1/a",
            "/.git/config",
        ] {
            assert_eq!(path(astray), None, "{astray}");
        }
    }

    #[test]
    fn heads() {
        assert_eq!(status("GET / HTTP/1.0"), "200");
        assert_eq!(status("HEAD /a HTTP/1.1\r\nhost: LocalHost:80\r\nx: y"), "200");
        assert_eq!(status("GET / HTTP/1.1\r\nHost: 127.0.0.1:80"), "200");
        assert_eq!(
            status("GET / HTTP/1.1\r\nHost: evil.example:80"),
            "421 Misdirected Request"
        );
        assert_eq!(
            status("GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example"),
            "421 Misdirected Request"
        );
        assert_eq!(status("POST / HTTP/1.1"), "405 Method Not Allowed");
        assert_eq!(status("GET / HTTP/2"), "505 HTTP Version Not Supported");
        assert_eq!(status("GET  / HTTP/1.1"), "400 Bad Request");
        assert_eq!(status("GET /"), "400 Bad Request");
        assert_eq!(status("GET / HTTP/1.1\r\nbad"), "400 Bad Request");
        assert_eq!(status(""), "400 Bad Request");
    }
}
