//! A webhook receiver for tests. The receiver runs a script on each connection and records the requests that
//! it reads.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use url::Url;

use crate::request::ReceivedRequest;
use crate::runtime;
use crate::script::{Action, run_script};

/// A listening webhook receiver. The receiver serves connections until the process ends.
pub struct ScriptedReceiver {
    /// The address that the receiver listens on.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    n_requests: watch::Receiver<usize>,
    n_accepted: watch::Receiver<usize>,
    n_closed: watch::Receiver<usize>,
}

impl ScriptedReceiver {
    /// Starts a receiver on a free port. The first connection runs the first script, the second connection
    /// runs the second script, and so on. When there are more connections than scripts, all further
    /// connections run the last script.
    pub fn start(scripts: Vec<Vec<Action>>) -> Self {
        Self::start_on((Ipv4Addr::LOCALHOST, 0), scripts)
    }

    /// Starts a receiver like [`Self::start`], but on the given address. Port 0 means a free port.
    pub fn start_on(address: impl ToSocketAddrs, scripts: Vec<Vec<Action>>) -> Self {
        Self::launch(address, scripts, None)
    }

    /// Starts a receiver like [`Self::start`], but each connection begins with a TLS handshake before its
    /// script runs.
    pub fn start_tls(config: Arc<ServerConfig>, scripts: Vec<Vec<Action>>) -> Self {
        Self::launch((Ipv4Addr::LOCALHOST, 0), scripts, Some(config.into()))
    }

    fn launch(address: impl ToSocketAddrs, scripts: Vec<Vec<Action>>, tls: Option<TlsAcceptor>) -> Self {
        assert!(!scripts.is_empty(), "a receiver needs a script");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (count_requests, n_requests) = watch::channel(0);
        let (count_accepted, n_accepted) = watch::channel(0);
        let (count_closed, n_closed) = watch::channel(0);
        let log = RequestLog { requests: Arc::clone(&requests), count: count_requests };
        let address = runtime::listen(address, move |stream, connection| {
            count_accepted.send_modify(|n| *n += 1);
            let script = scripts[connection.min(scripts.len() - 1)].clone();
            let (tls, log, count_closed) = (tls.clone(), log.clone(), count_closed.clone());
            async move {
                serve(stream, tls, &script, connection, &log).await;
                count_closed.send_modify(|n| *n += 1);
            }
        });
        Self { address, requests, n_requests, n_accepted, n_closed }
    }

    /// Returns an `http` URL of this receiver. `path` begins with `/` and may have a query.
    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).expect("an address and a path make a URL")
    }

    /// Returns an `https` URL of this receiver. The host in the URL is `localhost`, so that a certificate for
    /// `localhost` is valid.
    pub fn https_url(&self, path: &str) -> Url {
        let url = format!("https://localhost:{}{path}", self.address.port());
        Url::parse(&url).expect("a host, a port and a path make a URL")
    }

    /// Returns all requests that the receiver has read so far, in the order of arrival.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().expect("no holder of the lock panics").clone()
    }

    /// Waits until the receiver has read at least `n` requests, and returns all of them.
    pub async fn wait_for_requests(&self, n: usize) -> Vec<ReceivedRequest> {
        self.n_requests.clone().wait_for(|n_requests| *n_requests >= n).await.expect("the receiver runs");
        self.requests()
    }

    /// Waits until at least `n` connections are closed. It does not matter whether the receiver or its peer
    /// closes a connection.
    pub async fn wait_for_closed(&self, n: usize) {
        self.n_closed.clone().wait_for(|n_closed| *n_closed >= n).await.expect("the receiver runs");
    }

    /// Returns the number of connections that the receiver has accepted so far.
    pub fn n_connections(&self) -> usize {
        *self.n_accepted.borrow()
    }
}

/// The recorded requests of all connections of one receiver, and the number of these requests.
#[derive(Clone)]
struct RequestLog {
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    count: watch::Sender<usize>,
}

impl RequestLog {
    fn record(&self, request: ReceivedRequest) {
        self.requests.lock().expect("no holder of the lock panics").push(request);
        self.count.send_modify(|n| *n += 1);
    }
}

async fn serve(
    mut stream: TcpStream,
    tls: Option<TlsAcceptor>,
    script: &[Action],
    connection: usize,
    log: &RequestLog,
) {
    let record = |request| log.record(request);
    // Errors of the connection are ignored, because in most scripts the peer closes the connection early,
    // sometimes during the TLS handshake.
    let _closed = match tls {
        None => run_script(script, &mut stream, connection, record).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(mut stream) => run_script(script, &mut stream, connection, record).await,
            Err(refused) => Err(refused),
        },
    };
}
