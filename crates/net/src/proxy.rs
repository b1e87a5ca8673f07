//! Connects to a peer through a forward proxy, with a tunnel (CONNECT, RFC 9110, section 9.3.6).
//!
//! A plain http request uses a tunnel as well. With a tunnel, the proxy cannot answer in place of the peer,
//! and the proxy connects to the address that this crate has checked, not to an address that the proxy has
//! resolved.
//!
//! The errors of the proxy are kept apart from the errors of the peer behind the proxy.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use crate::deadline::Deadline;
use crate::dial::{connect, connect_any, look_up};
use crate::resolver::Resolver;
use crate::{NetError, ProxyError, target};

/// The host and port of a proxy, written as `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyAddress {
    host: Host<String>,
    port: u16,
}

/// The error for a text that is not the address of a proxy. The message does not quote the text, because it
/// may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an http URL of a host and a port, such as http://proxy.example.com:3128, and nothing more")]
pub struct InvalidProxyAddress;

/// The reason why the proxy's credentials cannot be loaded. The server does not start in this case.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The credentials file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The path of the credentials file, as given in the configuration.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The content of the credentials file is not one line of the form `user:password`.
    #[error("{} must hold one line, `user:password`", path.display())]
    Malformed {
        /// The path of the credentials file, as given in the configuration.
        path: PathBuf,
    },
}

/// A configured proxy. The address policy does not check the address of the proxy, because the operator of
/// the server chose this address.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: ProxyAddress,
    authorization: Option<HeaderValue>,
    connect_timeout: Duration,
}

impl FromStr for ProxyAddress {
    type Err = InvalidProxyAddress;

    fn from_str(text: &str) -> Result<Self, InvalidProxyAddress> {
        let url = Url::parse(text).map_err(|_| InvalidProxyAddress)?;
        let host = url.host().ok_or(InvalidProxyAddress)?.to_owned();
        let port = url.port_or_known_default().ok_or(InvalidProxyAddress)?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        let is_only_origin = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if url.scheme() != "http" || has_credentials || !is_only_origin {
            return Err(InvalidProxyAddress);
        }
        Ok(Self { host, port })
    }
}

impl Proxy {
    /// Creates a proxy and loads its credentials from a file that contains one line `user:password`.
    /// `connect_timeout` limits the connect to the proxy, including the lookup of the proxy's host name.
    pub fn new(
        address: ProxyAddress,
        credentials_file: Option<&Path>,
        connect_timeout: Duration,
    ) -> Result<Self, CredentialsError> {
        let authorization = credentials_file.map(load_authorization).transpose()?;
        Ok(Self { address, authorization, connect_timeout })
    }

    /// Opens a tunnel through the proxy and returns the stream that leads to `peer`.
    pub(crate) async fn tunnel(
        &self,
        resolver: &Resolver,
        peer: SocketAddr,
        deadline: &Deadline,
    ) -> Result<TcpStream, NetError> {
        let connected = timeout(self.connect_timeout, self.connect_to_proxy(resolver, deadline)).await;
        let stream = connected.map_err(|_| NetError::Proxy(ProxyError::Timeout))??;
        let (status, stream) = match self.request_tunnel(stream, peer).await {
            // Unexpected bytes count as a fault of the peer, because it is unknown whether the peer or the
            // proxy sent the bytes.
            Err(error @ ProxyError::UnexpectedBytes) => {
                return Err(NetError::Refused(io::Error::other(error)));
            }
            result => result.map_err(NetError::Proxy)?,
        };
        match status.as_u16() {
            // Status 204 opens no tunnel. A response with status 204 has no body, so after its head the
            // connection carries HTTP again.
            200..=203 | 205..=299 => Ok(stream),
            // With the statuses 504, 403 and 5xx, a proxy reports that it could not or may not connect to the
            // peer. Therefore these statuses count as failures of the peer.
            504 => Err(NetError::Timeout),
            403 | 500.. => Err(NetError::Refused(io::Error::other(ProxyError::Status(status.as_u16())))),
            _ => Err(NetError::Proxy(ProxyError::Status(status.as_u16()))),
        }
    }

    /// Opens a connection to the proxy. If the proxy cannot be reached, the error is a [`ProxyError`], which
    /// does not count against the peer.
    async fn connect_to_proxy(
        &self,
        resolver: &Resolver,
        deadline: &Deadline,
    ) -> Result<TcpStream, NetError> {
        let ProxyAddress { host, port } = &self.address;
        let connected = async {
            let addresses = look_up(resolver, host, *port, deadline).await?;
            connect_any(&addresses, connect).await
        };
        match connected.await {
            Ok((stream, _)) => Ok(stream),
            Err(NetError::Dns(failure)) => Err(NetError::Proxy(ProxyError::Dns(failure))),
            Err(NetError::Refused(error)) => Err(NetError::Proxy(ProxyError::Refused(error))),
            Err(NetError::Timeout) => Err(NetError::Proxy(ProxyError::Timeout)),
            Err(error) => Err(error),
        }
    }

    /// Requests a tunnel to `peer`. Returns the status of the proxy's response and the stream. If the status
    /// is 2xx other than 204, the stream is the tunnel.
    async fn request_tunnel(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<(StatusCode, TcpStream), ProxyError> {
        let io = TokioIo::new(stream);
        let (mut sender, mut connection) = http1::handshake(io).await.map_err(ProxyError::Protocol)?;
        let mut response = pin!(sender.send_request(self.connect_request(peer)));
        let mut has_ended = false;
        let response = poll_fn(|cx| {
            // An error that ended the connection is ignored at this point, because `response` fails with the
            // same error.
            has_ended = has_ended || connection.poll_without_shutdown(cx).is_ready();
            response.as_mut().poll(cx)
        });
        let status = response.await.map_err(ProxyError::Protocol)?.status();
        if status.is_success() && status != StatusCode::NO_CONTENT && !has_ended {
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await.map_err(ProxyError::Protocol)?;
        }
        let parts = connection.into_parts();
        if status.is_success() && !parts.read_buf.is_empty() {
            return Err(ProxyError::UnexpectedBytes);
        }
        Ok((status, parts.io.into_inner()))
    }

    /// Builds the CONNECT request for a tunnel to `peer`, with the credentials for the proxy.
    fn connect_request(&self, peer: SocketAddr) -> Request<Empty<Bytes>> {
        let authority = peer.to_string();
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() =
            Uri::try_from(&authority).expect("an IP address with a port is a valid authority");
        let host =
            HeaderValue::try_from(authority).expect("an IP address with a port is a valid header value");
        request.headers_mut().insert(HOST, host);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        request
    }
}

/// Reads `user:password` from the credentials file and encodes the text as Basic authentication.
fn load_authorization(path: &Path) -> Result<HeaderValue, CredentialsError> {
    let unreadable = |source| CredentialsError::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let pair = text.trim_end_matches(['\r', '\n']);
    if !pair.contains(':') || pair.contains(char::is_control) {
        return Err(CredentialsError::Malformed { path: path.to_owned() });
    }
    Ok(target::basic_authorization(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_address_is_an_http_url_with_only_a_host_and_a_port() {
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
            assert_eq!(text.parse::<ProxyAddress>(), Err(InvalidProxyAddress), "{text}");
        }
    }

    #[test]
    fn proxy_credentials_are_loaded_from_a_file_and_hidden_in_debug_output() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proxy.txt");
        let proxy_with_file = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let address: ProxyAddress = "http://proxy:3128".parse().unwrap();
            Proxy::new(address, Some(&path), Duration::from_secs(1))
        };
        for text in ["user:word", "user:word\n", "user:word\r\n"] {
            let proxy = proxy_with_file(text).unwrap();
            assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dXNlcjp3b3Jk", "{text:?}");
            assert!(!format!("{proxy:?}").contains("dXNlcjp3b3Jk"));
        }
        for text in ["", "user", "user:word\nother:word", "\nuser:word"] {
            assert!(matches!(proxy_with_file(text), Err(CredentialsError::Malformed { .. })), "{text:?}");
        }
        std::fs::remove_file(&path).unwrap();
        let address: ProxyAddress = "http://proxy:3128".parse().unwrap();
        let missing = Proxy::new(address, Some(&path), Duration::from_secs(1));
        assert!(matches!(missing, Err(CredentialsError::Unreadable { .. })));
    }
}
