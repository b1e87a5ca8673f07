//! What can go wrong on the way to somebody else's server, as types. Nothing here, and nobody who uses it,
//! recognises an error by its text.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

use super::ProxyError;

/// Why an exchange or a fetch did not end as hoped.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Every address of the host is one this server may not connect to.
    #[error("no address of the host may be connected to")]
    BlockedAddress,
    /// The name has no address, or the resolver could not tell.
    #[error("the host name could not be resolved")]
    Dns(#[source] io::Error),
    /// No connection: refused, unreachable, reset while connecting.
    #[error("the connection was refused")]
    Refused(#[source] io::Error),
    /// The deadline of the whole exchange passed, or the system gave up on the connection.
    #[error("the deadline passed")]
    Timeout,
    /// The TLS handshake failed: certificate, name, version, or the peer hung up in the middle of it.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The peer hung up, or sent what is not HTTP.
    #[error("the answer is not HTTP, or broke off")]
    Protocol(#[source] hyper::Error),
    /// The peer wants to speak another protocol, which nobody asked for.
    #[error("the answer switches to another protocol")]
    Switched,
    /// More bytes than the caller allows.
    #[error("the answer has more than {limit_bytes} bytes")]
    TooLarge {
        /// The cap, in bytes.
        limit_bytes: u64,
    },
    /// Our own memory for documents is full.
    #[error("there is no room for the answer")]
    NoRoom,
    /// An answer, but not a 2xx.
    #[error("the answer was status {0}")]
    Status(u16),
    /// More hops than the caller allows.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The cap, in hops.
        limit: u32,
    },
    /// The URL, or the one a redirect names, cannot be asked for.
    #[error("the URL cannot be used: {0}")]
    BadUrl(&'static str),
    /// Trouble of this machine, not of the other: no sockets, no ports, no memory. Says nothing about the peer.
    #[error("this machine could not open a connection")]
    Local(#[source] io::Error),
    /// Trouble with the proxy on the way. Says nothing about the peer.
    #[error("the proxy cannot be used")]
    Proxy(#[source] ProxyError),
}

impl NetError {
    /// Whether this is about what the server itself has to work with, and says nothing about the peer.
    pub fn is_local_trouble(&self) -> bool {
        matches!(self, Self::Local(_) | Self::Proxy(_))
    }

    /// Sorts a failed `socket` or `connect` to `address`. Without a local address there are no ports left for IPv4, but
    /// no IPv6 at all on many machines, which will not pass.
    pub(super) fn from_connect(error: io::Error, address: SocketAddr) -> Self {
        let no_address = Errno::from_io_error(&error) == Some(Errno::ADDRNOTAVAIL);
        if is_local(&error) || no_address && address.is_ipv4() {
            Self::Local(error)
        } else if error.kind() == io::ErrorKind::TimedOut {
            Self::Timeout
        } else {
            Self::Refused(error)
        }
    }

    /// Sorts a failed TLS handshake.
    pub(super) fn from_handshake(error: io::Error) -> Self {
        if is_local(&error) {
            Self::Local(error)
        } else if error.kind() == io::ErrorKind::TimedOut {
            Self::Timeout
        } else {
            Self::Tls(error)
        }
    }

    /// Sorts a failed lookup.
    pub(super) fn from_lookup(error: io::Error) -> Self {
        if is_local(&error) { Self::Local(error) } else { Self::Dns(error) }
    }

    /// Sorts a failure of the established connection.
    pub(super) fn from_http(error: hyper::Error) -> Self {
        match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(io) if io.kind() == io::ErrorKind::TimedOut => Self::Timeout,
            Some(io) if is_local(io) => Self::Local(io::Error::from(io.kind())),
            _ => Self::Protocol(error),
        }
    }
}

/// Whether the error is about this machine's own means.
fn is_local(error: &io::Error) -> bool {
    const LOCAL: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| LOCAL.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);

    fn os(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn own_trouble_is_told_from_the_peers() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(matches!(NetError::from_connect(os(errno), V4), NetError::Local(_)), "{errno:?}");
            assert!(matches!(NetError::from_lookup(os(errno)), NetError::Local(_)), "{errno:?}");
        }
        for errno in [Errno::CONNREFUSED, Errno::HOSTUNREACH, Errno::NETUNREACH, Errno::CONNRESET] {
            assert!(matches!(NetError::from_connect(os(errno), V4), NetError::Refused(_)), "{errno:?}");
        }
        assert!(matches!(NetError::from_connect(os(Errno::TIMEDOUT), V4), NetError::Timeout));
        assert!(matches!(NetError::from_handshake(os(Errno::CONNRESET)), NetError::Tls(_)));
    }

    #[test]
    fn a_machine_without_ipv6_is_no_passing_trouble() {
        let v6 = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 80));
        assert!(matches!(NetError::from_connect(os(Errno::ADDRNOTAVAIL), V4), NetError::Local(_)));
        assert!(matches!(NetError::from_connect(os(Errno::ADDRNOTAVAIL), v6), NetError::Refused(_)));
    }
}
