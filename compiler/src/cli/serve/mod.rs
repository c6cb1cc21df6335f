//! `serve`: a small static server for trying a bundle out. It listens on 127.0.0.1 only.
//!
//! A connection carries one request. Threads, header sizes and waiting times are bounded.

mod files;
mod request;
mod response;

use files::Root;
use keras_compile::error::{Error, ErrorKind, Result};
use request::Request;
use response::Response;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections that are answered at the same time. A browser opens six.
const MAX_CONNECTIONS: usize = 64;

/// How long a client may keep a connection without sending or taking anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long more of a request is waited for when it has been answered.
const FAREWELL: Duration = Duration::from_secs(1);

/// Most bytes of a request's body that are read away.
const MAX_IGNORED: u64 = 1 << 20;

/// Serves `directory` until the process ends. Port 0 takes any free one; the address is printed.
pub fn serve(directory: &Path, port: u16) -> Result<()> {
    let root = Arc::new(Root::new(directory)?);
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io(format!(
            "cannot listen on 127.0.0.1:{port} ({error})"
        )))
        .in_field("--port")
        .help("choose another port, or 0 for any that is free")
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    super::print(&format!("http://{address}/\n"))?;
    let open = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming() {
        // What fails here is one connection, or there are too many: others go on.
        let Ok(connection) = connection else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let (root, slot) = (Arc::clone(&root), Slot::take(&open));
        // Without a slot or a thread the connection is closed.
        if slot.0.load(Ordering::Relaxed) <= MAX_CONNECTIONS {
            let work = move || {
                answer(connection, &root);
                drop(slot);
            };
            let _ = std::thread::Builder::new().spawn(work);
        }
    }
    Ok(())
}

/// Counts a connection until it is dropped.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads one request and answers it. A client that went away is nobody's problem.
fn answer(mut connection: TcpStream, root: &Root) {
    let timed = connection
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| connection.set_write_timeout(Some(PATIENCE)));
    if timed.is_err() {
        return;
    }
    let response = match Request::read(&mut connection, PATIENCE) {
        Ok(Some(request)) => {
            let response = root.respond(&request.path);
            if request.head {
                response.without_body()
            } else {
                response
            }
        }
        Ok(None) => return,
        Err(refusal) => Response::message(refusal.status, refusal.why),
    };
    let sent = response
        .send(&mut connection)
        .and_then(|()| connection.shutdown(Shutdown::Write));
    // Closing while something unread lies there would make the client lose the answer.
    if sent
        .and_then(|()| connection.set_read_timeout(Some(FAREWELL)))
        .is_ok()
    {
        let _ = io::copy(&mut (&connection).take(MAX_IGNORED), &mut io::sink());
    }
}
