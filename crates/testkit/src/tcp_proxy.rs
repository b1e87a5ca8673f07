//! A proxy for TCP connections to one address. A test can cut all of its connections, as a broken network
//! does.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::runtime;

/// A running proxy. It serves connections until the process ends.
pub struct TcpProxy {
    /// The address that the proxy listens on.
    pub address: SocketAddr,
    is_cut: watch::Sender<bool>,
}

impl TcpProxy {
    /// Starts a proxy that forwards every connection to `target`.
    pub fn start(target: SocketAddr) -> Self {
        let is_cut = watch::Sender::new(false);
        let changes = is_cut.subscribe();
        let address = runtime::listen((Ipv4Addr::LOCALHOST, 0), move |client, _| {
            let changes = changes.clone();
            async move { forward(client, target, changes).await }
        });
        Self { address, is_cut }
    }

    /// Closes every connection, and closes new connections at once, until [`TcpProxy::mend`] is called.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Forwards new connections again.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, mut is_cut: watch::Receiver<bool>) {
    #[expect(clippy::disallowed_methods, reason = "a proxy of a test connects to a server of the same test")]
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        biased;
        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
        // The result is ignored, because either side may close its connection at any time.
        _ = copy_bidirectional(&mut client, &mut server) => {}
    }
}
