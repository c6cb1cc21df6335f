//! `serve`: a small static server for trying a bundle out. It listens on 127.0.0.1 only. `bench` uses it, too.
//!
//! A connection carries one request. Threads, header sizes and the time that each part of the exchange takes are bounded.
//! `httparse` parses the heads, as it does for hyper. The rest is ours: of the well-kept crates, hyper with tokio and
//! tower-http would bring 32 crates and a third of the build time, and files with ranges and tags would still want deadlines
//! for what is sent and a check of links; tiny_http has no deadlines at all.

mod conditions;
mod deadline;
mod files;
mod request;
mod response;

pub use files::Root;
pub use request::Request;
pub use response::Response;

use deadline::Deadline;
use keras_compile::error::{Error, ErrorKind, Result};
use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections that are answered at the same time. A browser opens six.
const MAX_CONNECTIONS: usize = 64;

/// How long a client may take to send its request, and to take an answer, to which [`SLOWEST`] adds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes per second that a client takes at least.
const SLOWEST: u64 = 1 << 20;

/// How long all that a client still sends when it has been answered may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Most bytes of a request's body that are read away.
const MAX_IGNORED: u64 = 1 << 20;

/// Serves `directory` until the process ends. Port 0 takes any free one; the address is printed.
pub fn serve(directory: &Path, port: u16) -> Result<()> {
    let root = Root::new(directory)?;
    let listener = bind(port)?;
    super::print(&format!("http://{}/\n", listener.address))?;
    accept(
        &listener.socket,
        0,
        &Arc::new(move |request: &Request| root.respond(request)),
    );
    Ok(())
}

/// Answers requests in the background until the process ends; bodies of up to `most_body` bytes may be sent. Port 0
/// takes any free one. Gives the address.
pub fn listen(
    port: u16,
    most_body: usize,
    respond: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let Listener { socket, address } = bind(port)?;
    std::thread::spawn(move || accept(&socket, most_body, &Arc::new(respond)));
    Ok(address)
}

/// A socket and where it is.
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

fn bind(port: u16) -> Result<Listener> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io(format!(
            "cannot listen on 127.0.0.1:{port} ({error})"
        )))
        .in_field("--port")
        .help("choose another port, or 0 for any that is free")
    };
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok(Listener { socket, address })
}

/// Answers connections for ever.
fn accept<F>(socket: &TcpListener, most_body: usize, respond: &Arc<F>)
where
    F: Fn(&Request) -> Response + Send + Sync + 'static,
{
    let open = Arc::new(AtomicUsize::new(0));
    for connection in socket.incoming() {
        // What fails here is one connection, or there are too many: others go on.
        let Ok(connection) = connection else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let (respond, slot) = (Arc::clone(respond), Slot::take(&open));
        // Without a slot or a thread the connection is closed.
        if slot.0.load(Ordering::Relaxed) <= MAX_CONNECTIONS {
            let work = move || {
                answer(connection, most_body, &*respond);
                drop(slot);
            };
            let _ = std::thread::Builder::new().spawn(work);
        }
    }
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
fn answer(connection: TcpStream, most_body: usize, respond: &dyn Fn(&Request) -> Response) {
    let response = match Request::read(&mut Deadline::new(&connection, PATIENCE), most_body) {
        Ok(Some(request)) => {
            let response = respond(&request);
            if request.head {
                response.without_body()
            } else {
                response
            }
        }
        Ok(None) => return,
        Err(refusal) => Response::message(refusal.status, refusal.why),
    };
    let patience = PATIENCE + Duration::from_secs(response.length() / SLOWEST);
    let sent = response
        .send(&mut Deadline::new(&connection, patience))
        .and_then(|()| connection.shutdown(Shutdown::Write));
    // Closing while something unread lies there would make the client lose the answer.
    if sent.is_ok() {
        let rest = Deadline::new(&connection, FAREWELL);
        let _ = io::copy(&mut rest.take(MAX_IGNORED), &mut io::sink());
    }
}
