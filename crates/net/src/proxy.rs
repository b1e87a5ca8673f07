//! A forward proxy on the way to a peer: reached, asked for a tunnel (CONNECT, RFC 9110, section 9.3.6), and told apart
//! from the peer behind it.
//!
//! Plain http goes through a tunnel as well: the proxy then never answers in the peer's place, and it connects to the
//! address that was judged instead of one that it looked up.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::{Host, Url};

use super::dial::{connect, connect_any, look_up};
use super::{NetError, target};

/// Lookups of the proxy's own name at the same time; names of peers that nobody resolves do not hold them up.
const MAX_LOOKUPS: usize = 8;

/// Where a proxy listens: `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyAddress {
    host: Host<String>,
    port: u16,
}

/// A text that is no address of a proxy. It is not repeated: it may hold a password where none belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an http URL of a host and a port, such as http://proxy.example.com:3128, and nothing more")]
pub struct NotAProxy;

/// Why there is nothing to show to the proxy; the server then does not start.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file named in the configuration.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} must hold one line, `user:password`", path.display())]
    NoPair {
        /// The file named in the configuration.
        path: PathBuf,
    },
}

/// A proxy that may be used. Its own address is not judged: whoever runs the server named it.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: ProxyAddress,
    authorization: Option<HeaderValue>,
    patience: Duration,
    lookups: Arc<Semaphore>,
}

/// What is wrong with the proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its name has no address, or the resolver could not tell.
    #[error("its host name could not be resolved")]
    Dns(#[source] io::Error),
    /// It does not take connections.
    #[error("it refused the connection")]
    Refused(#[source] io::Error),
    /// It did not take the connection in time.
    #[error("it did not take the connection in time")]
    Timeout,
    /// It hung up, or answered what is not HTTP.
    #[error("its answer is not HTTP, or broke off")]
    Protocol(#[source] hyper::Error),
    /// It sent something into a tunnel whose other end had not been asked for anything yet.
    #[error("it sent bytes that nobody asked for")]
    UnaskedBytes,
    /// It answered, but with no tunnel.
    #[error("it answered CONNECT with status {0}")]
    Status(u16),
}

impl ProxyError {
    /// Whether it is the same whoever is to be reached. Others may be about the one peer, as far as others are reached.
    pub fn concerns_all(&self) -> bool {
        matches!(self, Self::Dns(_) | Self::Refused(_) | Self::Timeout)
    }
}

impl FromStr for ProxyAddress {
    type Err = NotAProxy;

    fn from_str(text: &str) -> Result<Self, NotAProxy> {
        let url = Url::parse(text).map_err(|_| NotAProxy)?;
        let host = url.host().ok_or(NotAProxy)?.to_owned();
        let port = url.port_or_known_default().ok_or(NotAProxy)?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        if url.scheme() != "http" || !is_plain || url.query().is_some() || url.fragment().is_some() {
            return Err(NotAProxy);
        }
        Ok(Self { host, port })
    }
}

impl Proxy {
    /// A proxy that has `patience` to take a connection, and is shown the `user:password` of a file.
    pub fn new(
        address: ProxyAddress,
        credentials_file: Option<&Path>,
        patience: Duration,
    ) -> Result<Self, CredentialsError> {
        let authorization = credentials_file.map(authorization).transpose()?;
        Ok(Self { address, authorization, patience, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) })
    }

    /// A stream to `peer` through the proxy.
    pub(super) async fn tunnel(&self, peer: SocketAddr) -> Result<TcpStream, NetError> {
        let reached = timeout(self.patience, self.reach()).await;
        let stream = reached.map_err(|_| NetError::Proxy(ProxyError::Timeout))??;
        let (status, stream) = match self.ask(stream, peer).await {
            // A peer that speaks first, or a proxy that talks: whoever it is does so for this peer.
            Err(error @ ProxyError::UnaskedBytes) => return Err(NetError::Refused(io::Error::other(error))),
            asked => asked.map_err(NetError::Proxy)?,
        };
        match status.as_u16() {
            // 204 is no tunnel: it ends with its head.
            200..=203 | 205..=299 => Ok(stream),
            // What a proxy says when it may not, or cannot, connect to the peer: that is how a dead one looks from here.
            504 => Err(NetError::Timeout),
            403 | 500.. => Err(NetError::Refused(io::Error::other(ProxyError::Status(status.as_u16())))),
            _ => Err(NetError::Proxy(ProxyError::Status(status.as_u16()))),
        }
    }

    async fn reach(&self) -> Result<TcpStream, NetError> {
        let ProxyAddress { host, port } = &self.address;
        let reached = async {
            let addresses = look_up(&self.lookups, host, *port).await?;
            connect_any(&addresses, connect).await
        };
        match reached.await {
            Ok((stream, _)) => Ok(stream),
            Err(NetError::Dns(error)) => Err(NetError::Proxy(ProxyError::Dns(error))),
            Err(NetError::Refused(error)) => Err(NetError::Proxy(ProxyError::Refused(error))),
            Err(NetError::Timeout) => Err(NetError::Proxy(ProxyError::Timeout)),
            Err(error) => Err(error),
        }
    }

    /// Asks for a tunnel to `peer`; returns the answer's status, and the stream, which is a tunnel if that is a success.
    async fn ask(&self, stream: TcpStream, peer: SocketAddr) -> Result<(StatusCode, TcpStream), ProxyError> {
        let io = TokioIo::new(stream);
        let (mut sender, mut connection) = http1::handshake(io).await.map_err(ProxyError::Protocol)?;
        let mut answer = pin!(sender.send_request(self.request(peer)));
        let mut has_ended = false;
        let answer = poll_fn(|cx| {
            // Why it ended reaches us through the answer.
            has_ended = has_ended || connection.poll_without_shutdown(cx).is_ready();
            answer.as_mut().poll(cx)
        });
        let status = answer.await.map_err(ProxyError::Protocol)?.status();
        if status.is_success() && status != StatusCode::NO_CONTENT && !has_ended {
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await.map_err(ProxyError::Protocol)?;
        }
        let parts = connection.into_parts();
        if status.is_success() && !parts.read_buf.is_empty() {
            return Err(ProxyError::UnaskedBytes);
        }
        Ok((status, parts.io.into_inner()))
    }

    fn request(&self, peer: SocketAddr) -> Request<Empty<Bytes>> {
        let authority = peer.to_string();
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = Uri::try_from(&authority).expect("an address with its port is an authority");
        let host = HeaderValue::try_from(authority).expect("an address is ASCII");
        request.headers_mut().insert(HOST, host);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        request
    }
}

fn authorization(path: &Path) -> Result<HeaderValue, CredentialsError> {
    let unreadable = |source| CredentialsError::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let pair = text.trim_end_matches(['\r', '\n']);
    if !pair.contains(':') || pair.contains(char::is_control) {
        return Err(CredentialsError::NoPair { path: path.to_owned() });
    }
    Ok(target::basic(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_proxies_are_hosts_with_ports() {
        for (text, host, port) in [
            ("http://proxy.example.com:3128", "proxy.example.com", 3128),
            ("http://10.0.0.1:8080/", "10.0.0.1", 8080),
            ("http://[fd00::7]:3128", "[fd00::7]", 3128),
            ("http://proxy", "proxy", 80),
        ] {
            let address: ProxyAddress = text.parse().unwrap();
            assert_eq!((address.host.to_string().as_str(), address.port), (host, port), "{text}");
        }
        for text in [
            "",
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy:1080",
            "http://user@proxy:3128",
            "http://user:word@proxy:3128",
            "http://proxy:3128/path",
            "http://proxy:3128?a",
        ] {
            assert_eq!(text.parse::<ProxyAddress>(), Err(NotAProxy), "{text}");
        }
    }

    #[test]
    fn what_the_proxy_is_shown_comes_from_a_file_and_goes_into_no_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proxy.txt");
        let with = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let address: ProxyAddress = "http://proxy:3128".parse().unwrap();
            Proxy::new(address, Some(&path), Duration::from_secs(1))
        };
        for text in ["user:word", "user:word\n", "user:word\r\n"] {
            let proxy = with(text).unwrap();
            assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dXNlcjp3b3Jk", "{text:?}");
            assert!(!format!("{proxy:?}").contains("dXNlcjp3b3Jk"));
        }
        for text in ["", "user", "user:word\nother:word", "\nuser:word"] {
            assert!(matches!(with(text), Err(CredentialsError::NoPair { .. })), "{text:?}");
        }
        std::fs::remove_file(&path).unwrap();
        let address: ProxyAddress = "http://proxy:3128".parse().unwrap();
        let missing = Proxy::new(address, Some(&path), Duration::from_secs(1));
        assert!(matches!(missing, Err(CredentialsError::Unreadable { .. })));
    }
}
