//! The listening sockets, plain or TLS. When the server stops, requests in progress can finish. The number of
//! connections is limited by `listener/connections.rs`.
//!
//! Only HTTP/1.1 is supported, and header names are sent in title case, because the official PHP client
//! compares header names case-sensitively.

pub mod connections;
mod lingering;
mod tracked;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::header;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use pixaven_net::PacedStream;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use self::connections::{Connection, Connections};
use self::tracked::{TrackedBody, TrackedStream};
use crate::runtime::lifecycle::Tasks;

/// The longest time that a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limits for a client.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionTimeouts {
    /// The longest time in which a client must send the complete head of a request. The time begins when the
    /// connection is ready for a request.
    pub header: Duration,
    /// The longest time for which a client may leave an answer unread.
    pub write: Duration,
}

/// A socket that is bound to its address, but does not accept connections yet.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Binds `address`. If `tls` is given, all connections use TLS.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await?, tls: tls.map(TlsAcceptor::from) })
    }

    /// Returns the address to which the socket is bound. If port 0 was requested, the address contains the
    /// port that the operating system chose.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts and serves connections until `tasks` is stopped, then lets the requests in progress finish.
    pub async fn serve(
        self,
        router: Router,
        timeouts: ConnectionTimeouts,
        connections: Connections,
        tasks: Tasks,
    ) {
        let graceful = GracefulShutdown::new();
        let stop = tasks.stop_token().clone();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.socket, &connections) => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, connection) = match accepted {
                Ok((stream, Some(connection))) => (stream, Arc::new(connection)),
                Ok((_refused, None)) => continue,
                Err(error) => {
                    // `accept` failed because no file descriptor or no memory is free. The pause gives
                    // connections time to close.
                    tracing::error!(%error, "a connection could not be accepted");
                    connections.evict_oldest_idle();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (router, tls, watcher) = (router.clone(), self.tls.clone(), graceful.watcher());
            tasks.spawn("connection", async move {
                let evicted = connection.evicted().clone();
                let served = async {
                    match tls {
                        None => serve_connection(stream, router, timeouts, connection, watcher).await,
                        Some(tls) => {
                            match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                                Ok(Ok(stream)) => {
                                    serve_connection(stream, router, timeouts, connection, watcher).await;
                                }
                                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                                Err(_) => tracing::debug!("a TLS handshake took too long"),
                            }
                        }
                    }
                };
                tokio::select! {
                    biased;
                    () = evicted.cancelled() => tracing::debug!("an idle connection made room for another"),
                    () = served => {}
                }
            });
        }
        drop(self.socket);
        graceful.shutdown().await;
    }
}

/// Accepts a connection and waits until the table of connections has room for the connection. Returns no
/// [`Connection`] if the client has too many connections.
async fn accept(
    socket: &TcpListener,
    connections: &Connections,
) -> io::Result<(TcpStream, Option<Connection>)> {
    let (stream, address) = socket.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, connections.admit(address.ip()).await))
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
    timeouts: ConnectionTimeouts,
    connection: Arc<Connection>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let mut stream = TimeoutStream::new(PacedStream::new(stream));
    stream.set_write_timeout(Some(timeouts.write));
    let stream = TrackedStream::new(Box::pin(stream), Arc::clone(&connection));
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (router, connection) = (router.clone(), Arc::clone(&connection));
        async move {
            if !connection.begin_request() {
                return Err(EvictedError);
            }
            let Ok(response) = router.oneshot(request.map(axum::body::Body::new)).await;
            // The server sends this header only with an answer before which it has not read the whole body.
            connection.set_has_unread_body(response.headers().contains_key(header::CONNECTION));
            Ok(response.map(|body| TrackedBody::new(body, connection)))
        }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .title_case_headers(true)
        .header_read_timeout(timeouts.header)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(serving).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The error of a request that arrives while its connection is being closed.
#[derive(Debug, thiserror::Error)]
#[error("the idle connection is being closed to make room for another")]
struct EvictedError;

/// Loads a TLS configuration from two PEM files: the certificate chain and the private key.
pub fn tls_config(certificates: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    use anyhow::Context as _;
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| {
            format!("server.tls_cert: {} is no PEM certificate chain", certificates.display())
        })?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("server.tls_key: {} holds no PEM private key", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("server.tls_cert and server.tls_key do not belong together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
