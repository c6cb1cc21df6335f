//! A connection with an end.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Reads and writes until an instant, however little comes or goes at a time.
pub struct Deadline<'a> {
    connection: &'a TcpStream,
    end: Instant,
}

impl<'a> Deadline<'a> {
    /// `patience` from now on.
    pub fn new(connection: &'a TcpStream, patience: Duration) -> Self {
        let end = Instant::now() + patience;
        Self { connection, end }
    }

    /// What is left of the time.
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Deadline<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.connection.set_read_timeout(self.left()?)?;
        self.connection.read(buf)
    }
}

impl Write for Deadline<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.connection.set_write_timeout(self.left()?)?;
        self.connection.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Two ends of a connection.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// Something comes or goes all the time, but never everything.
    #[test]
    fn trickles_end() {
        const PAUSE: Duration = Duration::from_millis(20);
        const PATIENCE: Duration = Duration::from_millis(300);
        let (mut client, server) = connection();
        let client = std::thread::spawn(move || {
            let until = Instant::now() + Duration::from_secs(20);
            while Instant::now() < until && client.write_all(b"x").is_ok() {
                let _ = client.read(&mut [0; 100]);
                std::thread::sleep(PAUSE);
            }
            until.saturating_duration_since(Instant::now())
        });
        let begin = Instant::now();
        let sent = Deadline::new(&server, PATIENCE).write_all(&vec![0; 64 << 20]);
        let taken = Deadline::new(&server, PATIENCE).read_to_end(&mut Vec::new());
        assert!(sent.is_err() && taken.is_err());
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        drop(server);
        assert!(client.join().unwrap() > Duration::from_secs(5));
    }
}
