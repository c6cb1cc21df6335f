//! Reads an HTTP/1 request.

use super::conditions::Conditions;
use httparse::{EMPTY_HEADER, Error, Header, Status};
use std::io::Read;

/// Most bytes of request line and headers.
const MAX_HEAD: usize = 16 << 10;

/// Most headers. Browsers send about twenty.
const MAX_HEADERS: usize = 100;

/// What is needed of a request.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// Whether only the headers of the answer are wanted.
    pub head: bool,
    /// The path's segments, decoded; the last is empty when the path ends with a slash.
    pub path: Vec<String>,
    /// Which part of a file is wanted, and whether.
    pub conditions: Conditions,
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
    /// all of it in time.
    pub fn read(connection: &mut impl Read, most_body: usize) -> Result<Option<Self>, Refusal> {
        let mut head = Vec::new();
        let mut block = [0; 2048];
        loop {
            let count = match connection.read(&mut block) {
                Ok(count) if count > 0 => count,
                _ => return Ok(None),
            };
            head.extend_from_slice(&block[..count]);
            if let Some((mut request, length, end)) = Self::parse(&head, most_body)? {
                if let Some(body) = &mut request.body {
                    body.extend_from_slice(&head[end..]);
                    let rest = length.saturating_sub(body.len()) as u64;
                    if connection.by_ref().take(rest).read_to_end(body).is_err() || body.len() != length {
                        return Ok(None);
                    }
                }
                return Ok(Some(request));
            }
            if head.len() > MAX_HEAD {
                return too_long();
            }
        }
    }

    /// Parses request line and headers, if they are complete; tells the length of the body and where it begins, too.
    fn parse(text: &[u8], most_body: usize) -> Result<Option<(Self, usize, usize)>, Refusal> {
        const BAD: &str = "400 Bad Request";
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let end = match parsed.parse(text) {
            Ok(Status::Complete(end)) => end,
            Ok(Status::Partial) => return Ok(None),
            Err(Error::TooManyHeaders) => return too_long(),
            Err(Error::Version) => {
                return refuse("505 HTTP Version Not Supported", "Only HTTP/1 is spoken here.");
            }
            Err(_) => return refuse(BAD, "The request is not one of HTTP."),
        };
        let values = |name| named(parsed.headers, name);
        // A page of another site can make its own name lead here, and would then read what is served.
        if !values("host").all(|host| is_local(host.trim())) {
            return refuse(
                "421 Misdirected Request",
                "Only localhost and 127.0.0.1 are served.",
            );
        }
        let length = values("content-length").next();
        let length = length.map_or(0, |length| length.trim().parse().unwrap_or(usize::MAX));
        let (head, body) = match parsed.method.unwrap_or_default() {
            "GET" => (false, None),
            "HEAD" => (true, None),
            "POST" if most_body > 0 && length > most_body => {
                return refuse("413 Content Too Large", "The request is too long.");
            }
            "POST" if most_body > 0 => (false, Some(Vec::new())),
            _ => return refuse("405 Method Not Allowed", "Only GET and HEAD are answered."),
        };
        let Some(path) = parsed.path.and_then(segments) else {
            return refuse(BAD, "The path is not one of a file.");
        };
        let value = |name| values(name).next().map(str::to_owned);
        let conditions = Conditions {
            if_none_match: value("if-none-match"),
            range: value("range"),
            if_range: value("if-range"),
        };
        let request = Self {
            head,
            path,
            conditions,
            body,
        };
        Ok(Some((request, length, end)))
    }
}

fn too_long<T>() -> Result<T, Refusal> {
    refuse("431 Request Header Fields Too Large", "The request is too long.")
}

/// The values of a header. One that is not text is nobody's host and no number.
fn named<'a>(headers: &'a [Header<'a>], name: &'static str) -> impl Iterator<Item = &'a str> {
    let named = headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| std::str::from_utf8(header.value).unwrap_or("?"))
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
    fn parse(head: &str, most_body: usize) -> Result<Option<(Request, usize, usize)>, Refusal> {
        Request::parse(format!("{head}\r\n\r\n").as_bytes(), most_body)
    }
    fn status(head: &str) -> &'static str {
        match parse(head, 0) {
            Ok(parsed) => parsed.map_or("more", |_| "200"),
            Err(refusal) => refusal.status,
        }
    }

    #[test]
    fn bodies_where_they_are_taken() {
        let head = |length: &str| format!("POST / HTTP/1.1\r\nContent-Length: {length}");
        let length = |text: &str| {
            parse(&head(text), 10).map(Option::unwrap).map_or_else(
                |refusal| Err(refusal.status),
                |(request, length, _)| Ok((request.body, length)),
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
        assert_eq!(
            status("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example"),
            "421 Misdirected Request"
        );
        assert_eq!(
            status(&format!("GET / HTTP/1.1{}", "\r\na: b".repeat(101))),
            "431 Request Header Fields Too Large"
        );
        assert_eq!(Request::parse(b"GET / HTTP/1.1\r\n", 0), Ok(None));
    }

    #[test]
    fn what_comes_in_pieces() {
        let text = "POST /a HTTP/1.1\r\nContent-Length: 3\r\nrange: bytes=0-1\r\n\r\nabc";
        // A byte at a time.
        let mut pieces = text.bytes().map(|byte| std::io::Cursor::new([byte]));
        let mut reader: Box<dyn Read> = Box::new(std::io::empty());
        for piece in pieces.by_ref().rev() {
            reader = Box::new(piece.chain(reader));
        }
        let request = Request::read(&mut reader, 10).unwrap().unwrap();
        assert_eq!(
            (request.path, request.body),
            (vec!["a".to_owned()], Some(b"abc".to_vec()))
        );
        assert_eq!(request.conditions.range.as_deref(), Some("bytes=0-1"));
        assert_eq!(
            Request::read(&mut &text.as_bytes()[..text.len() - 1], 10),
            Ok(None)
        );
    }
}
