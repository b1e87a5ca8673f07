//! A forward proxy of raw TCP: it makes tunnels where it is asked for them, after it did what its script says, and keeps
//! what it was asked.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::receiver::{Received, read_request};

/// What is done with one request for a tunnel.
#[derive(Clone, Copy)]
pub(crate) enum Turn {
    /// What it asks for; 503 when the other end cannot be reached.
    Tunnel,
    /// Say this instead of a tunnel.
    Say(&'static str),
    /// Hang up.
    HangUp,
}

/// A listening proxy; it ends with the test's process.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Received>>>,
}

impl Proxy {
    /// Takes the first turn on the first connection, and so on; after the last one it makes tunnels.
    pub(crate) fn start(script: Vec<Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { continue };
                let turn = script.get(connection).copied().unwrap_or(Turn::Tunnel);
                let log = Arc::clone(&log);
                // Either side going away in the middle is part of most tests.
                std::thread::spawn(move || drop(serve(stream, connection, turn, &log)));
            }
        });
        Self { address, asked }
    }

    /// As the configuration wants it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Received> {
        self.asked.lock().expect("no panic while it is held").clone()
    }
}

fn serve(mut client: TcpStream, connection: usize, turn: Turn, log: &Mutex<Vec<Received>>) -> io::Result<()> {
    let request = read_request(&mut client, connection, true)?;
    let peer = request.request_line.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().expect("no panic while it is held").push(request);
    match turn {
        Turn::HangUp => Ok(()),
        Turn::Say(text) => client.write_all(text.as_bytes()),
        Turn::Tunnel => match TcpStream::connect(peer) {
            Err(_) => client.write_all(b"HTTP/1.1 503 Nobody There\r\ncontent-length: 4\r\n\r\ndead"),
            Ok(peer) => {
                client.write_all(b"HTTP/1.1 200 Connection established\r\nvia: 1.1 test\r\n\r\n")?;
                let (from, to) = (peer.try_clone()?, client.try_clone()?);
                std::thread::spawn(move || drop(relay(from, to)));
                relay(client, peer)
            }
        },
    }
}

/// Passes on what comes from one side, and its end.
fn relay(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let n_bytes = from.read(&mut bytes)?;
        if n_bytes == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(&bytes[..n_bytes])?;
    }
}
