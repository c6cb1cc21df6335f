//! Writes an HTTP/1.1 answer.

use super::conditions::{Wanted, tag};
use super::request::Request;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

/// On every answer: pages get shared memory for threads, a cache asks each time whether what it has is still right, and
/// no other site may embed or read what is served.
const HEADERS: &str = "\
    Cross-Origin-Opener-Policy: same-origin\r\n\
    Cross-Origin-Embedder-Policy: require-corp\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Cache-Control: no-cache\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Connection: close\r\n";

/// An answer to be sent.
pub struct Response {
    status: &'static str,
    /// Further headers, each with its line end.
    headers: String,
    /// Bytes of the body; none where there is never one.
    length: Option<u64>,
    body: Box<dyn Read>,
}

impl Response {
    /// What a request wants of an open file.
    pub fn file(media_type: &str, mut file: File, request: &Request) -> io::Result<Self> {
        let found = file.metadata()?;
        let (tag, length) = (tag(&found), found.len());
        let headers = format!("Content-Type: {media_type}\r\nAccept-Ranges: bytes\r\nETag: {tag}\r\n");
        let (begin, end) = match request.conditions.wanted(&tag, length) {
            Wanted::Nothing => {
                return Ok(Self {
                    status: "304 Not Modified",
                    headers,
                    length: None,
                    body: Box::new(io::empty()),
                });
            }
            Wanted::Missing => {
                let refusal =
                    Self::message("416 Range Not Satisfiable", "The file does not have these bytes.");
                return Ok(refusal.with("Content-Range", &format!("bytes */{length}")));
            }
            Wanted::All => (0, length),
            Wanted::Part(begin, end) => (begin, end),
        };
        file.seek(SeekFrom::Start(begin))?;
        let response = Self {
            status: "200 OK",
            headers,
            length: Some(end - begin),
            // Should the file grow meanwhile, what was announced is sent.
            body: Box::new(file.take(end - begin)),
        };
        if (begin, end) == (0, length) {
            return Ok(response);
        }
        let part = Self {
            status: "206 Partial Content",
            ..response
        };
        // The last byte, not the one after it.
        Ok(part.with("Content-Range", &format!("bytes {begin}-{}/{length}", end - 1)))
    }
    /// A page made here.
    pub fn page(html: String) -> Self {
        Self::text("200 OK", "text/html; charset=utf-8", html)
    }
    /// Bytes made here.
    pub fn bytes(bytes: Arc<[u8]>) -> Self {
        Self {
            status: "200 OK",
            headers: "Content-Type: application/octet-stream\r\n".to_owned(),
            length: Some(bytes.len() as u64),
            body: Box::new(io::Cursor::new(bytes)),
        }
    }
    /// A line of text with a status.
    pub fn message(status: &'static str, why: &str) -> Self {
        let response = Self::text(status, "text/plain; charset=utf-8", format!("{why}\n"));
        match status.starts_with("405") {
            true => response.with("Allow", "GET, HEAD"),
            false => response,
        }
    }
    /// Sends the client elsewhere on this server.
    pub fn redirect(to: &str) -> Self {
        Self::message("301 Moved Permanently", "It is a directory.").with("Location", to)
    }
    fn text(status: &'static str, media_type: &str, text: String) -> Self {
        Self {
            status,
            headers: format!("Content-Type: {media_type}\r\n"),
            length: Some(text.len() as u64),
            body: Box::new(io::Cursor::new(text)),
        }
    }
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }
    /// The same headers alone.
    pub fn without_body(mut self) -> Self {
        self.body = Box::new(io::empty());
        self
    }
    /// Bytes of the body, as announced.
    pub fn length(&self) -> u64 {
        self.length.unwrap_or(0)
    }
    /// Sends everything.
    pub fn send(mut self, to: &mut impl Write) -> io::Result<()> {
        let Self { status, headers, .. } = &self;
        let length = self.length.map(|length| format!("Content-Length: {length}\r\n"));
        let length = length.unwrap_or_default();
        let head = format!("HTTP/1.1 {status}\r\n{length}{HEADERS}{headers}\r\n");
        to.write_all(head.as_bytes())?;
        io::copy(&mut self.body, to).map(|_| ())
    }
}
