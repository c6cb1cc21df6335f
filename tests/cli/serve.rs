//! `serve`, spoken to over a socket.

use crate::support::{Scratch, command};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let mut command = command(directory);
        let mut process = command
            .args(["serve", ".", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix('/'));
        let address = address
            .unwrap_or_else(|| panic!("no address: {line:?}"))
            .to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        Self { process, address }
    }

    /// Sends bytes and reads the answer until the end.
    fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The server may answer and close before it has seen all.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("an empty line");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        Answer {
            head,
            body: answer[end + 4..].to_vec(),
        }
    }

    fn get(&self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).as_bytes())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> u32 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// A directory with files of every kind, beside a secret.
fn site() -> (Scratch, Server) {
    let scratch = Scratch::new();
    let root = scratch.join("site");
    fs::create_dir_all(root.join("sub")).unwrap();
    for (name, text) in [
        ("index.html", "<p>hello"),
        ("a.wasm", "\0asm"),
        ("a.js", "1"),
        ("a.d.ts", "1"),
        ("a.json", "{}"),
        ("a.css", "p{}"),
        ("a.png", "png"),
        ("a.svg", "<svg/>"),
        ("a.bin", "bin"),
        ("with space <&>.txt", "odd"),
        ("sub/b.js", "2"),
        (".hidden", "no"),
        ("../secret", "no"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
    std::os::unix::fs::symlink("..", root.join("up")).unwrap();
    std::os::unix::fs::symlink("a.js", root.join("inside.js")).unwrap();
    std::os::unix::fs::symlink(".hidden", root.join("seen")).unwrap();
    fs::create_dir_all(root.join(".folder/inside")).unwrap();
    fs::write(root.join(".folder/inside/secret"), "no").unwrap();
    std::os::unix::fs::symlink(".folder/inside", root.join("folder")).unwrap();
    let pipe = Command::new("mkfifo").arg(root.join("pipe")).status();
    assert!(pipe.unwrap().success());
    let server = Server::start(&root);
    (scratch, server)
}

#[test]
fn files_have_their_types_and_headers() {
    let (_scratch, server) = site();
    for (path, kind, body) in [
        ("/", "text/html; charset=utf-8", "<p>hello"),
        ("/index.html?x=1#y", "text/html; charset=utf-8", "<p>hello"),
        ("/a.wasm", "application/wasm", "\0asm"),
        ("/a.js", "text/javascript; charset=utf-8", "1"),
        ("/inside.js", "text/javascript; charset=utf-8", "1"),
        ("/a.d.ts", "text/plain; charset=utf-8", "1"),
        ("/a.json", "application/json", "{}"),
        ("/a.css", "text/css; charset=utf-8", "p{}"),
        ("/a.png", "image/png", "png"),
        ("/a.svg", "image/svg+xml", "<svg/>"),
        ("/a.bin", "application/octet-stream", "bin"),
        ("/sub/b.js", "text/javascript; charset=utf-8", "2"),
        (
            "/with%20space%20%3C%26%3E.txt",
            "text/plain; charset=utf-8",
            "odd",
        ),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status(), answer.text().as_str()), (200, body), "{path}");
        for (name, value) in [
            ("Content-Type", kind),
            ("Content-Length", body.len().to_string().as_str()),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Embedder-Policy", "require-corp"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-cache"),
            ("X-Content-Type-Options", "nosniff"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
    }
}

/// The server's tag for a file changes with it, and nothing else is sent a second time.
#[test]
fn a_second_visit_fetches_nothing_again() {
    let (scratch, server) = site();
    let tag = |path: &str| server.get(path).header("ETag").unwrap().to_owned();
    let again = |path: &str, tag: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nIf-None-Match: {tag}\r\n\r\n");
        server.send(request.as_bytes())
    };
    let first = tag("/a.bin");
    assert_eq!(tag("/a.bin"), first);
    assert_ne!(tag("/a.js"), first);
    let same = again("/a.bin", &format!("\"other\", W/{first}"));
    assert_eq!((same.status(), same.text().as_str()), (304, ""));
    assert_eq!(same.header("Content-Length"), None);
    for (name, value) in [
        ("ETag", first.as_str()),
        ("Cache-Control", "no-cache"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Embedder-Policy", "require-corp"),
    ] {
        assert_eq!(same.header(name), Some(value), "{name}");
    }
    let (index, page) = (tag("/"), again("/", "\"other\""));
    assert_eq!((page.status(), again("/", &index).status()), (200, 304));
    // As many bytes, in place.
    let mut file = fs::File::options()
        .write(true)
        .open(scratch.join("site/a.bin"))
        .unwrap();
    file.write_all(b"new").unwrap();
    let changed = again("/a.bin", &first);
    assert_eq!((changed.status(), changed.text().as_str()), (200, "new"));
    assert_ne!(changed.header("ETag"), Some(first.as_str()));
}

#[test]
fn parts_of_files() {
    let (_scratch, server) = site();
    let get = |range: &str, more: &str| {
        let request = format!("GET /index.html HTTP/1.1\r\nRange: {range}\r\n{more}\r\n");
        server.send(request.as_bytes())
    };
    for (range, status, content_range, body) in [
        ("bytes=3-4", 206, Some("bytes 3-4/8"), "he"),
        ("bytes=3-", 206, Some("bytes 3-7/8"), "hello"),
        ("bytes=-2", 206, Some("bytes 6-7/8"), "lo"),
        ("bytes=0-7", 200, None, "<p>hello"),
        ("bytes=0-1,3-4", 200, None, "<p>hello"),
        (
            "bytes=8-",
            416,
            Some("bytes */8"),
            "The file does not have these bytes.\n",
        ),
    ] {
        let answer = get(range, "");
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (status, body),
            "{range}"
        );
        assert_eq!(answer.header("Content-Range"), content_range, "{range}");
        assert_eq!(
            answer.header("Content-Length"),
            Some(body.len().to_string().as_str()),
            "{range}"
        );
    }
    assert_eq!(server.get("/index.html").header("Accept-Ranges"), Some("bytes"));
    let stale = get("bytes=3-4", "If-Range: \"other\"\r\n");
    assert_eq!((stale.status(), stale.text().as_str()), (200, "<p>hello"));
    let head = server.send(b"HEAD /index.html HTTP/1.1\r\nRange: bytes=3-4\r\n\r\n");
    assert_eq!(
        (head.status(), head.header("Content-Length"), head.body.len()),
        (206, Some("2"), 0)
    );
}

/// It goes on sending after it was answered.
#[test]
fn a_client_that_never_ends_is_left() {
    let (_scratch, server) = site();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"GET /a.js HTTP/1.1\r\n\r\n").unwrap();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) && stream.write_all(b"x").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn directories() {
    let (_scratch, server) = site();
    let bare = server.get("/sub");
    assert_eq!((bare.status(), bare.header("Location")), (301, Some("/sub/")));
    let listing = server.get("/sub/");
    assert_eq!(listing.status(), 200);
    assert!(
        listing.text().contains("<a href=\"b.js\">b.js</a>"),
        "{}",
        listing.text()
    );
    fs::remove_file(_scratch.join("site/index.html")).unwrap();
    let listing = server.get("/").text();
    assert!(
        listing.contains("<a href=\"with%20space%20%3C%26%3E.txt\">with space &lt;&amp;&gt;.txt</a>"),
        "{listing}"
    );
    assert!(
        listing.contains("href=\"sub/\"") && !listing.contains("hidden"),
        "{listing}"
    );
}

#[test]
fn nothing_leads_out() {
    let (_scratch, server) = site();
    for path in [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%2fsecret",
        "/..%5csecret",
        "/sub/%2e%2e/%2e%2e/secret",
        "//../secret",
        "/link",
        "/up/secret",
        "/up/site/../secret",
        "/.hidden",
        "/%2ehidden",
        "/seen",
        "/folder/",
        "/folder/secret",
        "/pipe",
        "/nothing",
        "/a.js/",
        "/a.js/b",
        "/sub%00",
        "/%c3%28",
        "/%",
        "secret",
        "http://127.0.0.1/secret",
    ] {
        let answer = server.get(path);
        assert!([400, 404].contains(&answer.status()), "{path}: {}", answer.head);
        assert!(!answer.text().contains("no\n") && answer.text() != "no", "{path}");
    }
}

#[test]
fn requests_that_are_none() {
    let (_scratch, server) = site();
    let status = |request: &str| server.send(request.as_bytes()).status();
    assert_eq!(status("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"), 405);
    assert_eq!(status("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421);
    assert_eq!(status("GET / HTTP/2.0\r\n\r\n"), 505);
    assert_eq!(status("nonsense\r\n\r\n"), 400);
    assert_eq!(
        status(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(1 << 20))),
        431
    );
    let head = server.send(b"HEAD /a.js HTTP/1.1\r\n\r\n");
    assert_eq!(
        (head.status(), head.header("Content-Length"), head.body.len()),
        (200, Some("1"), 0)
    );
    assert_eq!(
        server.send(b"POST / HTTP/1.1\r\n\r\n").header("Allow"),
        Some("GET, HEAD")
    );
    // A client that hangs up, and one that sends a byte at a time.
    TcpStream::connect(&server.address)
        .unwrap()
        .shutdown(Shutdown::Both)
        .unwrap();
    let mut slow = TcpStream::connect(&server.address).unwrap();
    for byte in b"GET /a.js HTTP/1.1\r\n\r\n" {
        slow.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn many_idle_clients_do_not_stop_others_for_ever() {
    let (_scratch, server) = site();
    let idle: Vec<_> = (0..80)
        .map(|_| TcpStream::connect(&server.address).unwrap())
        .collect();
    drop(idle);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.get("/a.js").status(), 200);
}

#[test]
fn a_port_that_is_taken() {
    let (scratch, server) = site();
    let port = server.address.rsplit_once(':').unwrap().1;
    let run = crate::support::run(&scratch.join("site"), &["serve", ".", "--port", port]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr
            .contains("choose another port, or 0 for any that is free"),
        "{}",
        run.stderr
    );
}
