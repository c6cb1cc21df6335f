//! Writes an HTTP/1.1 answer.

use std::fs::File;
use std::io::{self, Read, Write};

/// On every answer: pages get shared memory for threads, nothing is taken from a cache unasked, and no other
/// site may embed or read what is served.
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
    media_type: &'static str,
    /// Further headers, each with its line end.
    extra: String,
    length: u64,
    body: Box<dyn Read>,
}

impl Response {
    /// The bytes of a file.
    pub fn file(media_type: &'static str, file: File, length: u64) -> Self {
        Self {
            status: "200 OK",
            media_type,
            extra: String::new(),
            length,
            // Should the file grow meanwhile, what was announced is sent.
            body: Box::new(file.take(length)),
        }
    }
    /// A page made here.
    pub fn page(html: String) -> Self {
        Self::text("200 OK", "text/html; charset=utf-8", html)
    }
    /// A line of text with a status.
    pub fn message(status: &'static str, why: &str) -> Self {
        let mut response = Self::text(status, "text/plain; charset=utf-8", format!("{why}\n"));
        if status.starts_with("405") {
            response.extra = "Allow: GET, HEAD\r\n".to_owned();
        }
        response
    }
    /// Sends the client elsewhere on this server.
    pub fn redirect(to: &str) -> Self {
        let mut response = Self::message("301 Moved Permanently", "It is a directory.");
        response.extra = format!("Location: {to}\r\n");
        response
    }
    fn text(status: &'static str, media_type: &'static str, text: String) -> Self {
        Self {
            status,
            media_type,
            extra: String::new(),
            length: text.len() as u64,
            body: Box::new(io::Cursor::new(text)),
        }
    }
    /// The same headers alone.
    pub fn without_body(mut self) -> Self {
        self.body = Box::new(io::empty());
        self
    }
    /// Sends everything.
    pub fn send(mut self, to: &mut impl Write) -> io::Result<()> {
        let Self {
            status,
            media_type,
            extra,
            length,
            ..
        } = &self;
        write!(
            to,
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n{HEADERS}{extra}\r\n"
        )?;
        io::copy(&mut self.body, to).map(|_| ())
    }
}
