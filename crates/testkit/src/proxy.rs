//! A forward proxy for tests, which opens tunnels for `CONNECT` requests. A script contains the action of the
//! proxy for each connection. The proxy records all `CONNECT` requests.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;

use crate::request::{ReceivedRequest, read_request};
use crate::runtime;

/// The action of the proxy for one `CONNECT` request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyAction {
    /// Open the tunnel. If the target refuses the connection, respond with 503 instead.
    Tunnel,
    /// Send the given response instead of opening a tunnel, and close the connection.
    Respond(&'static str),
    /// Close the connection without a response.
    Close,
}

/// A listening forward proxy. The proxy serves connections until the process ends.
pub struct ForwardProxy {
    /// The address that the proxy listens on.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl ForwardProxy {
    /// Starts a proxy with a script. The script contains one action for each connection, in the order of the
    /// connections. After the end of the script, every connection gets a tunnel.
    pub fn start(script: Vec<ProxyAction>) -> Self {
        Self::launch(script, None)
    }

    /// Starts a proxy whose tunnels all lead to `target`, even if the `CONNECT` request names another host.
    pub fn start_to(target: SocketAddr) -> Self {
        Self::launch(Vec::new(), Some(target))
    }

    fn launch(script: Vec<ProxyAction>, target: Option<SocketAddr>) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let address = runtime::listen((Ipv4Addr::LOCALHOST, 0), move |stream, connection| {
            let action = script.get(connection).copied().unwrap_or(ProxyAction::Tunnel);
            let log = Arc::clone(&log);
            async move {
                // An error of a connection is ignored, because in most tests the client or the receiver
                // closes its connection early.
                let _closed = serve(stream, connection, action, target, &log).await;
            }
        });
        Self { address, requests }
    }

    /// Returns the URL of the proxy, in the form that the configuration of the server expects.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns all `CONNECT` requests that the proxy has read so far, in the order of arrival.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().expect("no holder of the lock panics").clone()
    }
}

async fn serve(
    mut client: TcpStream,
    connection: usize,
    action: ProxyAction,
    target: Option<SocketAddr>,
    log: &Mutex<Vec<ReceivedRequest>>,
) -> io::Result<()> {
    let request = read_request(&mut client, connection).await?;
    let authority = request.request_line.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().expect("no holder of the lock panics").push(request);
    match action {
        ProxyAction::Close => Ok(()),
        ProxyAction::Respond(response) => client.write_all(response.as_bytes()).await,
        ProxyAction::Tunnel => {
            let target = target.map_or(authority, |target| target.to_string());
            let Ok(mut peer) = connect(&target).await else {
                return client.write_all(b"HTTP/1.1 503 Nobody There\r\ncontent-length: 4\r\n\r\ndead").await;
            };
            client.write_all(b"HTTP/1.1 200 Connection established\r\nvia: 1.1 test\r\n\r\n").await?;
            copy_bidirectional(&mut client, &mut peer).await.map(|_| ())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the proxy is a peer of the server, not a part of it")]
async fn connect(target: &str) -> io::Result<TcpStream> {
    TcpStream::connect(target).await
}
