//! A receiver of raw TCP that does on each connection exactly what its script says, and keeps what it was sent.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// One thing to do on a connection. After the last one the connection is closed.
#[derive(Clone)]
pub(crate) enum Act {
    /// Read a request, head and body, and keep it.
    Read,
    /// Read a request's head only, and keep that.
    ReadHead,
    /// Wait until something arrived, without taking it: closing now resets the connection.
    Peek,
    /// Send this.
    Say(Vec<u8>),
    /// Send this again and again, as fast as it is taken, until the other side has gone.
    Flood(Vec<u8>),
    /// Send this again and again, a byte every few milliseconds, until the other side has gone.
    Drip(Vec<u8>),
    /// Do nothing until the other side has gone.
    Hold,
}

/// `Read`, then this answer: the usual script.
pub(crate) fn answer(answer: impl Into<Vec<u8>>) -> Vec<Act> {
    vec![Act::Read, Act::Say(answer.into())]
}

/// `Read`, then an empty answer with this status.
pub(crate) fn status(status: u16) -> Vec<Act> {
    answer(format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n"))
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
    pub(crate) request_line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The value of a header that came once; `None` when it did not come.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} came more than once");
        value
    }
}

/// A listening receiver; it ends with the test's process.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    n_received: watch::Receiver<usize>,
    n_connections: watch::Receiver<usize>,
    n_ended: watch::Receiver<usize>,
}

impl Receiver {
    /// Follows the first script on the first connection, and so on; the last one on all that come after.
    pub(crate) fn start(scripts: Vec<Vec<Act>>) -> Self {
        Self::start_on("127.0.0.1:0", scripts)
    }

    pub(crate) fn start_on(address: &str, scripts: Vec<Vec<Act>>) -> Self {
        assert!(!scripts.is_empty(), "a receiver without a script would accept nothing");
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let (count_requests, n_received) = watch::channel(0);
        let (count_connections, n_connections) = watch::channel(0);
        let (count_ends, n_ended) = watch::channel(0);
        let log = Log { received: Arc::clone(&received), count: count_requests };
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { continue };
                count_connections.send_modify(|n| *n += 1);
                let script = scripts[connection.min(scripts.len() - 1)].clone();
                let (log, count_ends) = (log.clone(), count_ends.clone());
                std::thread::spawn(move || {
                    // The other side going away in the middle is part of most scripts.
                    drop(follow(&script, stream, connection, &log));
                    count_ends.send_modify(|n| *n += 1);
                });
            }
        });
        Self { address, received, n_received, n_connections, n_ended }
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        url::Url::parse(&format!("http://{}{path}", self.address)).expect("an address and a path")
    }

    /// Everything received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic while it is held").clone()
    }

    /// Everything received, once it is at least `n` requests.
    pub(crate) async fn wait_for(&self, n: usize) -> Vec<Received> {
        let mut n_received = self.n_received.clone();
        n_received.wait_for(|n_received| *n_received >= n).await.expect("the receiver runs");
        self.received()
    }

    /// Waits until at least `n` connections ended, from either side.
    pub(crate) async fn wait_for_ends(&self, n: usize) {
        self.n_ended.clone().wait_for(|n_ended| *n_ended >= n).await.expect("the receiver runs");
    }

    /// How many connections were accepted so far.
    pub(crate) fn n_connections(&self) -> usize {
        *self.n_connections.borrow()
    }
}

#[derive(Clone)]
struct Log {
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Sender<usize>,
}

impl Log {
    fn keep(&self, request: Received) {
        self.received.lock().expect("no panic while it is held").push(request);
        self.count.send_modify(|n| *n += 1);
    }
}

fn follow(script: &[Act], mut stream: TcpStream, connection: usize, log: &Log) -> io::Result<()> {
    for act in script {
        match act {
            Act::Read => log.keep(read_request(&mut stream, connection, true)?),
            Act::ReadHead => log.keep(read_request(&mut stream, connection, false)?),
            Act::Peek => {
                stream.peek(&mut [0])?;
            }
            Act::Say(bytes) => stream.write_all(bytes)?,
            Act::Flood(bytes) => loop {
                stream.write_all(bytes)?;
            },
            Act::Drip(bytes) => {
                for byte in bytes.iter().cycle() {
                    stream.write_all(&[*byte])?;
                    if is_gone_within(&mut stream, Duration::from_millis(5))? {
                        return Ok(());
                    }
                }
            }
            Act::Hold => while !is_gone_within(&mut stream, Duration::from_secs(1))? {},
        }
    }
    Ok(())
}

/// Waits for the other side to go, at most so long.
fn is_gone_within(stream: &mut TcpStream, patience: Duration) -> io::Result<bool> {
    stream.set_read_timeout(Some(patience))?;
    let read = stream.read(&mut [0; 1024]);
    stream.set_read_timeout(None)?;
    match read {
        Ok(n_bytes) => Ok(n_bytes == 0),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Reads a request, its body as far as a length announces one.
pub(crate) fn read_request(
    stream: &mut impl io::Read,
    connection: usize,
    with_body: bool,
) -> io::Result<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let mut lines = head.trim_end().split("\r\n");
    let request_line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, length)| length.parse().expect("a length is a number"));
    let mut body = vec![0; if with_body { length } else { 0 }];
    stream.read_exact(&mut body)?;
    Ok(Received { connection, request_line, headers, body })
}

/// Reads one request and gives one answer over a stream that is not plain TCP.
pub(crate) fn serve_once(stream: &mut (impl io::Read + io::Write), answer: &[u8]) -> io::Result<Received> {
    let request = read_request(stream, 0, true)?;
    stream.write_all(answer)?;
    stream.flush()?;
    Ok(request)
}
