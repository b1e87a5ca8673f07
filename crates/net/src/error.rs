//! The errors of outbound HTTP, grouped by their cause. Code must match on the variants, never on the text of
//! an error.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

use crate::lookup_failure::{LookupError, LookupFailure};
use crate::piece_limit::TooManyPieces;
use crate::tls_failure::TlsFailure;

/// The reason why an exchange or a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The address policy permits no address of the host.
    #[error("no address of the host may be connected to: {rule}")]
    BlockedAddress {
        /// The rule that forbids the first address of the host.
        rule: BlockedBy,
        /// Whether the setting `network.terse` hides the name of the rule from clients.
        is_terse: bool,
    },
    /// The host name has no address, or the DNS lookup failed.
    #[error("the host name could not be resolved")]
    Dns(#[source] LookupFailure),
    /// The connect failed: the peer refused or reset the connection, or the peer cannot be reached.
    #[error("the connection was refused")]
    Refused(#[source] io::Error),
    /// The deadline of the exchange or fetch passed, or the operating system reported a timeout of the
    /// connection.
    #[error("the deadline passed")]
    Timeout,
    /// The TLS handshake failed. The [`TlsFailure`] names the reason.
    #[error(transparent)]
    Tls(TlsFailure),
    /// The peer closed the connection early, or sent bytes that are not HTTP.
    #[error("the answer is not HTTP, or broke off")]
    Protocol(#[source] hyper::Error),
    /// The peer switched to another protocol with status 101, although the request did not offer another
    /// protocol.
    #[error("the answer switches to another protocol")]
    ProtocolSwitch,
    /// The response has more bytes than the caller permits.
    #[error("the answer has more than {limit_bytes} bytes")]
    TooLarge {
        /// The largest number of bytes that the caller permits.
        limit_bytes: u64,
    },
    /// The body of the response arrives in too many small pieces.
    #[error(transparent)]
    TooManyPieces(#[from] TooManyPieces),
    /// The compressed body of a response cannot be decoded.
    #[error(transparent)]
    Encoding(EncodingError),
    /// The caller's memory budget has no space for the response.
    #[error("there is no room for the answer")]
    OutOfMemoryBudget,
    /// The status of the response is not a 2xx status.
    #[error("the answer was status {0}")]
    Status(u16),
    /// The server sent more redirects than the caller permits.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The largest number of redirects that the fetch follows.
        limit: u32,
    },
    /// The URL, or the URL of a redirect, cannot be used for a request.
    #[error("the URL cannot be used: {0}")]
    InvalidUrl(&'static str),
    /// This machine cannot open a connection at the moment: sockets, ports or memory are used up, its network
    /// is down, its firewall forbids the connection, or its name servers do not work. The peer did not cause
    /// this error.
    #[error("this machine could not open a connection")]
    Local(#[source] io::Error),
    /// The proxy could not be used. The peer did not cause this error.
    #[error("the proxy cannot be used")]
    Proxy(#[source] ProxyError),
}

/// The rule of the address policy that forbids a connection. The error text names the setting that would
/// permit the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockedBy {
    /// The address is not public, and no network of `network.allow` contains the address.
    #[error("its address is not public, and `network.allow` does not contain it")]
    Address,
    /// The address belongs to a network interface of this machine, and no network of `network.allow` contains
    /// it.
    #[error("its address belongs to this server's own machine, and `network.allow` does not contain it")]
    OwnAddress,
    /// A network or a host name in the setting `network.deny` matches the host.
    #[error("`network.deny` contains it")]
    Deny,
    /// The setting `network.ports` does not permit the port, and no network of `network.allow` contains the
    /// address.
    #[error("`network.ports` does not contain port {0}, and `network.allow` does not contain its address")]
    Port(u16),
}

/// The reason why the compressed body of a response cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// The content coding is unknown, or the header `Content-Encoding` lists more than one coding.
    #[error("its `Content-Encoding` is {0:?}; accepted is one of gzip, deflate, br and zstd")]
    Unknown(String),
    /// The body is not valid data of its content coding, or the body is incomplete.
    #[error("its body is not valid {0}")]
    Malformed(&'static str),
    /// The decoded body is too large in relation to the size of the compressed body.
    #[error("its body expands to more than {max} times its size")]
    Ratio {
        /// The largest permitted number of decoded bytes for each compressed byte.
        max: u64,
    },
}

/// The reason why the proxy could not open a tunnel.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The host name of the proxy has no address, or the DNS lookup of the host name failed.
    #[error("its host name could not be resolved")]
    Dns(#[source] LookupFailure),
    /// The proxy refused the connection or cannot be reached.
    #[error("it refused the connection")]
    Refused(#[source] io::Error),
    /// The connection to the proxy was not open before the connect timeout passed.
    #[error("it did not take the connection in time")]
    Timeout,
    /// The proxy closed the connection early, or its response is not HTTP.
    #[error("its answer is not HTTP, or broke off")]
    Protocol(#[source] hyper::Error),
    /// The tunnel delivered bytes before the client had sent a request through the tunnel.
    #[error("it sent bytes that nobody asked for")]
    UnexpectedBytes,
    /// The proxy responded to the CONNECT request with a status that opens no tunnel.
    #[error("it answered CONNECT with status {0}")]
    Status(u16),
}

impl ProxyError {
    /// Returns whether the error affects every peer, because the proxy itself cannot be reached. Any other
    /// error of the proxy may concern only the peer behind the proxy.
    pub fn affects_every_peer(&self) -> bool {
        matches!(self, Self::Dns(_) | Self::Refused(_) | Self::Timeout)
    }
}

impl NetError {
    /// Returns whether this machine or the proxy caused the error. The peer is not responsible for such an
    /// error.
    pub fn is_local_trouble(&self) -> bool {
        matches!(self, Self::Local(_) | Self::Proxy(_))
    }

    /// Returns whether the peer did not answer an attempt to connect: the peer neither accepted nor refused
    /// the connection.
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Refused(error) => Errno::from_io_error(error) == Some(Errno::HOSTUNREACH),
            _ => false,
        }
    }

    /// Classifies the error of a failed system call `socket` or `connect` for `address`.
    pub(crate) fn from_connect(error: io::Error, address: SocketAddr) -> Self {
        match Fault::of(&error) {
            Fault::Machine => Self::Local(error),
            Fault::MachineIfIpv4 if address.is_ipv4() => Self::Local(error),
            Fault::Deadline => Self::Timeout,
            Fault::MachineIfIpv4 | Fault::Peer => Self::Refused(error),
        }
    }

    /// Classifies the error of a failed TLS handshake.
    pub(crate) fn from_handshake(error: io::Error) -> Self {
        match Fault::of(&error) {
            Fault::Machine => Self::Local(error),
            Fault::Deadline => Self::Timeout,
            Fault::MachineIfIpv4 | Fault::Peer => Self::Tls(TlsFailure::new(error)),
        }
    }

    /// Classifies the error of a failed DNS lookup.
    pub(crate) fn from_lookup(error: LookupError) -> Self {
        match error {
            LookupError::System(errno) => Self::Local(errno.into()),
            LookupError::Failed(failure) => match Symptom::Lookup(failure).fault() {
                Fault::Machine => Self::Local(io::Error::other(failure)),
                Fault::MachineIfIpv4 | Fault::Deadline | Fault::Peer => Self::Dns(failure),
            },
        }
    }

    /// Classifies an error that occurs on an established connection.
    pub(crate) fn from_http(error: hyper::Error) -> Self {
        let Some(cause) = error.source().and_then(|source| source.downcast_ref::<io::Error>()) else {
            return Self::Protocol(error);
        };
        match Fault::of(cause) {
            Fault::Machine => Self::Local(io::Error::from(cause.kind())),
            Fault::Deadline => Self::Timeout,
            Fault::MachineIfIpv4 | Fault::Peer => Self::Protocol(error),
        }
    }

    /// A rank from 0 to 2: how much an error says about the peer when several addresses of one host fail. The
    /// error with the highest rank is reported.
    ///
    /// An error that an address of the peer caused has rank 2, because such an error shows that this machine
    /// could reach the host. An error of this machine has rank 1. The error of an IPv6 address on a machine
    /// without IPv6 has rank 0, because the other addresses of the host can still answer.
    pub(crate) fn rank_among_addresses(&self) -> u8 {
        match self {
            Self::Refused(error) if Errno::from_io_error(error) == Some(Errno::ADDRNOTAVAIL) => 0,
            _ if self.is_local_trouble() => 1,
            _ => 2,
        }
    }
}

/// Returns whether a failed system call of a DNS lookup is a fault of this machine. The addresses of the name
/// servers come from the configuration of this machine. An error of an IPv6 address therefore counts like the
/// same error of an IPv4 address.
pub(crate) fn is_fault_of_this_machine(errno: Errno) -> bool {
    matches!(Symptom::Os(errno).fault(), Fault::Machine | Fault::MachineIfIpv4)
}

/// The party that caused an error of the operating system or of the DNS resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// This machine or its network caused the error. Such an error uses up no attempt of a webhook.
    Machine,
    /// This machine caused the error if the address is IPv4. The peer caused the error if the address is
    /// IPv6.
    MachineIfIpv4,
    /// The peer did not answer within the timeout.
    Deadline,
    /// The peer, its network or its host name caused the error.
    Peer,
}

/// An error, as the operating system or the DNS resolver reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symptom {
    /// The error number of a failed system call.
    Os(Errno),
    /// The reason of a failed DNS lookup.
    Lookup(LookupFailure),
}

/// The cause of each error, with a comment on the reason. An error that is not in this table counts as a
/// fault of the peer, because the retry schedule limits the attempts after a fault of the peer. A fault of
/// this machine is retried without a limit.
const FAULTS: [(Symptom, Fault); 29] = [
    // This process or this machine has no free file descriptor, socket buffer or memory.
    (Symptom::Os(Errno::MFILE), Fault::Machine),
    (Symptom::Os(Errno::NFILE), Fault::Machine),
    (Symptom::Os(Errno::NOBUFS), Fault::Machine),
    (Symptom::Os(Errno::NOMEM), Fault::Machine),
    // The kernel has no free entry in its routing cache, or no local port is free (ip(7), connect(2)).
    (Symptom::Os(Errno::AGAIN), Fault::Machine),
    (Symptom::Os(Errno::ADDRINUSE), Fault::Machine),
    // With an IPv4 address, EADDRNOTAVAIL means that no local port is free, which is temporary. With an IPv6
    // address, it usually means that an administrator has disabled IPv6 on this machine. That state is
    // permanent, so the peer counts as unreachable.
    (Symptom::Os(Errno::ADDRNOTAVAIL), Fault::MachineIfIpv4),
    // This machine has no route to the address, or its network interface is down. This error is not reported
    // for a host that has another, reachable address, because the error of the reachable address has a higher
    // rank.
    (Symptom::Os(Errno::NETUNREACH), Fault::Machine),
    (Symptom::Os(Errno::NETDOWN), Fault::Machine),
    (Symptom::Os(Errno::NONET), Fault::Machine),
    // The kernel of this machine, or the sandbox of this process, supports no socket of this address family.
    (Symptom::Os(Errno::AFNOSUPPORT), Fault::Machine),
    (Symptom::Os(Errno::PFNOSUPPORT), Fault::Machine),
    (Symptom::Os(Errno::PROTONOSUPPORT), Fault::Machine),
    // A firewall or a security module of this machine forbids the connection.
    (Symptom::Os(Errno::ACCESS), Fault::Machine),
    (Symptom::Os(Errno::PERM), Fault::Machine),
    // The peer's host or its firewall refused or reset the connection.
    (Symptom::Os(Errno::CONNREFUSED), Fault::Peer),
    (Symptom::Os(Errno::CONNRESET), Fault::Peer),
    (Symptom::Os(Errno::CONNABORTED), Fault::Peer),
    (Symptom::Os(Errno::PIPE), Fault::Peer),
    // The last router before the host reports that the host does not answer. A broken gateway of this machine
    // can cause the same error, but the usual cause is a host that is switched off. Therefore the error
    // counts as a fault of the peer, unless the name servers are silent as well (`dial.rs`).
    (Symptom::Os(Errno::HOSTUNREACH), Fault::Peer),
    (Symptom::Os(Errno::HOSTDOWN), Fault::Peer),
    // The peer did not answer before the kernel's own timeout passed.
    (Symptom::Os(Errno::TIMEDOUT), Fault::Deadline),
    // The name servers of this machine answer no lookup, or they answer every lookup with the same error.
    (Symptom::Lookup(LookupFailure::NameServersDown), Fault::Machine),
    // No lookup could start, because this process already runs the largest permitted number of lookups.
    (Symptom::Lookup(LookupFailure::NoRoom), Fault::Machine),
    // The host name does not exist, or the host name has no address.
    (Symptom::Lookup(LookupFailure::NoSuchName), Fault::Peer),
    (Symptom::Lookup(LookupFailure::NoAddress), Fault::Peer),
    // The host name has a form that no DNS name has.
    (Symptom::Lookup(LookupFailure::InvalidName), Fault::Peer),
    // The name servers of the host fail or are silent. The name servers of this machine answer other lookups.
    (Symptom::Lookup(LookupFailure::ServerError), Fault::Peer),
    (Symptom::Lookup(LookupFailure::Unanswered), Fault::Peer),
];

impl Symptom {
    fn fault(self) -> Fault {
        FAULTS.iter().find(|(symptom, _)| *symptom == self).map_or(Fault::Peer, |(_, fault)| *fault)
    }
}

impl Fault {
    /// Finds the cause of an error of a system call. An error without an error number counts as a timeout if
    /// its kind is `TimedOut`, and as a fault of the peer in all other cases.
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(errno) => Symptom::Os(errno).fault(),
            None if error.kind() == io::ErrorKind::TimedOut => Self::Deadline,
            None => Self::Peer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);
    const V6: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 80);

    fn os_error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn every_system_and_dns_error_in_the_fault_table_is_attributed_to_its_listed_cause() {
        for (i, (symptom, fault)) in FAULTS.into_iter().enumerate() {
            assert!(FAULTS[..i].iter().all(|(earlier, _)| *earlier != symptom), "{symptom:?} is there twice");
            let is_expected = match symptom {
                Symptom::Os(errno) => {
                    let of_v4 = NetError::from_connect(os_error(errno), V4);
                    let of_v6 = NetError::from_connect(os_error(errno), V6);
                    let of_handshake = NetError::from_handshake(os_error(errno));
                    match fault {
                        Fault::Machine => [of_v4, of_v6, of_handshake].iter().all(NetError::is_local_trouble),
                        Fault::MachineIfIpv4 => {
                            of_v4.is_local_trouble() && matches!(of_v6, NetError::Refused(_))
                        }
                        Fault::Deadline => [of_v4, of_v6, of_handshake]
                            .iter()
                            .all(|error| matches!(error, NetError::Timeout)),
                        Fault::Peer => {
                            matches!(of_v4, NetError::Refused(_)) && matches!(of_handshake, NetError::Tls(_))
                        }
                    }
                }
                Symptom::Lookup(failure) => {
                    let error = NetError::from_lookup(LookupError::Failed(failure));
                    match fault {
                        Fault::Machine => error.is_local_trouble(),
                        Fault::MachineIfIpv4 | Fault::Deadline | Fault::Peer => {
                            matches!(error, NetError::Dns(_))
                        }
                    }
                }
            };
            assert!(is_expected, "{symptom:?} must be {fault:?}");
        }
    }

    #[test]
    fn an_unknown_system_or_dns_error_counts_as_a_fault_of_the_peer() {
        assert!(matches!(NetError::from_connect(os_error(Errno::INVAL), V4), NetError::Refused(_)));
        assert!(matches!(NetError::from_connect(io::Error::other("unknown"), V4), NetError::Refused(_)));
    }

    #[test]
    fn eaddrnotavail_is_a_local_error_for_an_ipv4_address_and_a_refused_connection_for_an_ipv6_address() {
        assert!(matches!(NetError::from_connect(os_error(Errno::ADDRNOTAVAIL), V4), NetError::Local(_)));
        assert!(matches!(NetError::from_connect(os_error(Errno::ADDRNOTAVAIL), V6), NetError::Refused(_)));
    }
}
