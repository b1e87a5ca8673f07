//! A receiver at a port of its own, and the certificates of those that speak TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::NamedTempFile;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::act::{Act, follow};
use crate::loopback;

/// What there is at a receiver's address.
pub(super) enum Place {
    /// Nobody: connections are refused.
    Nobody,
    /// An address that the server may not connect to.
    Forbidden,
    /// Somebody who follows the first script on the first connection, and so on; the last one on all after it.
    Plain(Vec<Vec<Act>>),
    /// Somebody who does that behind an `https` URL, without speaking TLS.
    PlainBehindHttps(Vec<Act>),
    /// Somebody who follows the script behind a TLS handshake.
    Tls(Arc<ServerConfig>, Vec<Act>),
}

/// A running receiver.
pub(super) struct Endpoint {
    pub(super) url: String,
    n_connections: Arc<AtomicUsize>,
    /// Keeps a port from being somebody else's.
    _reserved: Option<TcpSocket>,
}

impl Endpoint {
    pub(super) async fn start(place: Place) -> anyhow::Result<Self> {
        let n_connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&n_connections);
        let (url, reserved) = match place {
            Place::Nobody => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
                (format!("http://{}/", socket.local_addr()?), Some(socket))
            }
            Place::Forbidden => ("http://[::1]:9/".to_owned(), None),
            Place::Plain(scripts) => (format!("http://{}/", serve(scripts, count).await?), None),
            Place::PlainBehindHttps(script) => {
                (format!("https://{}/", serve(vec![script], count).await?), None)
            }
            Place::Tls(config, script) => {
                let address = serve_tls(config, script, count).await?;
                (format!("https://localhost:{}/", address.port()), None)
            }
        };
        Ok(Self { url, n_connections, _reserved: reserved })
    }

    /// How many connections were accepted so far.
    pub(super) fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::Relaxed)
    }
}

async fn serve(scripts: Vec<Vec<Act>>, count: Arc<AtomicUsize>) -> anyhow::Result<SocketAddr> {
    let address = loopback::accept(Ipv4Addr::LOCALHOST, move |mut stream: TcpStream| {
        let connection = count.fetch_add(1, Ordering::Relaxed);
        let script = scripts.get(connection).or(scripts.last()).cloned().unwrap_or_default();
        async move {
            // The other side going away in the middle is part of most scripts.
            let _gone = follow(&script, &mut stream).await;
        }
    });
    Ok(address.await?)
}

async fn serve_tls(
    config: Arc<ServerConfig>,
    script: Vec<Act>,
    count: Arc<AtomicUsize>,
) -> anyhow::Result<SocketAddr> {
    let address = loopback::accept(Ipv4Addr::LOCALHOST, move |stream: TcpStream| {
        count.fetch_add(1, Ordering::Relaxed);
        let (acceptor, script) = (TlsAcceptor::from(Arc::clone(&config)), script.clone());
        async move {
            // A client that does not like the certificate goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _gone = follow(&script, &mut stream).await;
        }
    });
    Ok(address.await?)
}

/// An authority that the server under test is told to trust.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let file = NamedTempFile::new()?;
        std::fs::write(file.path(), issuer.pem())?;
        Ok(Self { issuer, file })
    }

    /// Its certificate in PEM.
    pub(super) fn file(&self) -> &Path {
        self.file.path()
    }

    /// The side of a server whose certificate it signed, for `host`.
    pub(super) fn certified(&self, host: &str) -> anyhow::Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![host.to_owned()])?.signed_by(&key, &self.issuer)?;
        config(&certificate, &key)
    }
}

/// The side of a server whose certificate nobody else signed.
pub(super) fn self_signed(host: &str) -> anyhow::Result<Arc<ServerConfig>> {
    let key = KeyPair::generate()?;
    config(&CertificateParams::new(vec![host.to_owned()])?.self_signed(&key)?, &key)
}

fn config(certificate: &rcgen::Certificate, key: &KeyPair) -> anyhow::Result<Arc<ServerConfig>> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .context("the certificate and its key do not fit")?;
    Ok(Arc::new(config))
}
