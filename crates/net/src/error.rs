//! The errors of outbound HTTP, sorted by their cause. Code must match on the variants, never on the text of
//! an error.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

/// The reason why an exchange or a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The address policy permits no address of the host. The rule is the one that forbids the first address.
    #[error("no address of the host may be connected to: {0}")]
    BlockedAddress(BlockedBy),
    /// The host name has no address, or the lookup failed.
    #[error("the host name could not be resolved")]
    Dns(#[source] io::Error),
    /// The connect failed: the peer refused or reset the connection, or cannot be reached.
    #[error("the connection was refused")]
    Refused(#[source] io::Error),
    /// The deadline of the exchange or fetch passed, or the operating system reported a timeout of the
    /// connection.
    #[error("the deadline passed")]
    Timeout,
    /// The TLS handshake failed: wrong certificate, name or version, or the peer closed the connection during
    /// it.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The peer closed the connection early, or sent bytes that are not HTTP.
    #[error("the answer is not HTTP, or broke off")]
    Protocol(#[source] hyper::Error),
    /// The peer switched to another protocol with status 101, although the request did not offer one.
    #[error("the answer switches to another protocol")]
    ProtocolSwitch,
    /// The response has more bytes than the caller permits.
    #[error("the answer has more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The caller's memory budget has no space for the response.
    #[error("there is no room for the answer")]
    OutOfMemoryBudget,
    /// The status of the response is not 2xx.
    #[error("the answer was status {0}")]
    Status(u16),
    /// There were more redirects than the caller permits.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The most redirects that are followed.
        limit: u32,
    },
    /// The URL, or the URL of a redirect, cannot be used for a request.
    #[error("the URL cannot be used: {0}")]
    InvalidUrl(&'static str),
    /// This machine lacks resources for a connection: sockets, ports or memory. The error is no fault of the
    /// peer.
    #[error("this machine could not open a connection")]
    Local(#[source] io::Error),
    /// The proxy could not be used. The error is no fault of the peer.
    #[error("the proxy cannot be used")]
    Proxy(#[source] ProxyError),
}

/// The rule of the address policy that forbids a connection. Its text names the setting that would permit the
/// connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockedBy {
    /// The address is not public, and no network of `network.allow` contains it.
    #[error("its address is not public, and `network.allow` does not contain it")]
    Address,
    /// A network or a name of `network.deny` matches the host.
    #[error("`network.deny` contains it")]
    Deny,
    /// The port is not among `network.ports`, and no network of `network.allow` contains the address.
    #[error("`network.ports` does not contain port {0}, and `network.allow` does not contain its address")]
    Port(u16),
}

/// The reason why the proxy could not open a tunnel.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The proxy's host name has no address, or the lookup failed.
    #[error("its host name could not be resolved")]
    Dns(#[source] io::Error),
    /// The proxy refused the connection or cannot be reached.
    #[error("it refused the connection")]
    Refused(#[source] io::Error),
    /// The connection to the proxy was not open within its timeout.
    #[error("it did not take the connection in time")]
    Timeout,
    /// The proxy closed the connection early, or its response is not HTTP.
    #[error("its answer is not HTTP, or broke off")]
    Protocol(#[source] hyper::Error),
    /// Bytes arrived through the tunnel before a request was sent through the tunnel.
    #[error("it sent bytes that nobody asked for")]
    UnexpectedBytes,
    /// The proxy responded with a status that opens no tunnel.
    #[error("it answered CONNECT with status {0}")]
    Status(u16),
}

impl ProxyError {
    /// Returns whether the error affects every peer, because the proxy itself cannot be reached. Any other
    /// error may depend on the peer behind the proxy.
    pub fn affects_every_peer(&self) -> bool {
        matches!(self, Self::Dns(_) | Self::Refused(_) | Self::Timeout)
    }
}

impl NetError {
    /// Returns whether this machine or the proxy caused the error. Local trouble is no fault of the peer.
    pub fn is_local_trouble(&self) -> bool {
        matches!(self, Self::Local(_) | Self::Proxy(_))
    }

    /// Classifies the error of a failed `socket` or `connect` to `address`.
    ///
    /// `EADDRNOTAVAIL` means for IPv4 that no local port is free, which is temporary local trouble. For IPv6
    /// it usually means that this machine has no IPv6, which is permanent, so the peer counts as unreachable.
    pub(crate) fn from_connect(error: io::Error, address: SocketAddr) -> Self {
        let no_local_address = Errno::from_io_error(&error) == Some(Errno::ADDRNOTAVAIL);
        if is_local(&error) || no_local_address && address.is_ipv4() {
            Self::Local(error)
        } else if error.kind() == io::ErrorKind::TimedOut {
            Self::Timeout
        } else {
            Self::Refused(error)
        }
    }

    /// Classifies the error of a failed TLS handshake.
    pub(crate) fn from_handshake(error: io::Error) -> Self {
        if is_local(&error) {
            Self::Local(error)
        } else if error.kind() == io::ErrorKind::TimedOut {
            Self::Timeout
        } else {
            Self::Tls(error)
        }
    }

    /// Classifies the error of a failed lookup.
    pub(crate) fn from_lookup(error: io::Error) -> Self {
        if is_local(&error) { Self::Local(error) } else { Self::Dns(error) }
    }

    /// Classifies an error of an established connection.
    pub(crate) fn from_http(error: hyper::Error) -> Self {
        match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(cause) if cause.kind() == io::ErrorKind::TimedOut => Self::Timeout,
            Some(cause) if is_local(cause) => Self::Local(io::Error::from(cause.kind())),
            _ => Self::Protocol(error),
        }
    }
}

/// Returns whether the error means that this machine has no free files, buffers or memory.
fn is_local(error: &io::Error) -> bool {
    const EXHAUSTED: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| EXHAUSTED.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);

    fn os_error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn errno_decides_between_local_trouble_and_fault_of_the_peer() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(matches!(NetError::from_connect(os_error(errno), V4), NetError::Local(_)), "{errno:?}");
            assert!(matches!(NetError::from_lookup(os_error(errno)), NetError::Local(_)), "{errno:?}");
        }
        for errno in [Errno::CONNREFUSED, Errno::HOSTUNREACH, Errno::NETUNREACH, Errno::CONNRESET] {
            assert!(matches!(NetError::from_connect(os_error(errno), V4), NetError::Refused(_)), "{errno:?}");
        }
        assert!(matches!(NetError::from_connect(os_error(Errno::TIMEDOUT), V4), NetError::Timeout));
        assert!(matches!(NetError::from_handshake(os_error(Errno::CONNRESET)), NetError::Tls(_)));
    }

    #[test]
    fn missing_local_address_is_local_trouble_for_ipv4_only() {
        let v6 = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 80));
        assert!(matches!(NetError::from_connect(os_error(Errno::ADDRNOTAVAIL), V4), NetError::Local(_)));
        assert!(matches!(NetError::from_connect(os_error(Errno::ADDRNOTAVAIL), v6), NetError::Refused(_)));
    }
}
