//! The errors of outbound HTTP, sorted by their cause. Code must match on the variants, never on the text of
//! an error.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;

use dns_lookup::LookupError;
use rustix::io::Errno;

use crate::tls_failure::TlsFailure;

/// The reason why an exchange or a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The address policy permits no address of the host.
    #[error("no address of the host may be connected to: {rule}")]
    BlockedAddress {
        /// The rule that forbids the first address of the host.
        rule: BlockedBy,
        /// Whether the setting `network.terse` hides the rule from clients.
        is_terse: bool,
    },
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
    /// The TLS handshake failed, for a reason that the failure names.
    #[error(transparent)]
    Tls(TlsFailure),
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
    /// The compressed body of a response cannot be decoded.
    #[error(transparent)]
    Encoding(EncodingError),
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
    /// This machine cannot open a connection at the moment: it lacks sockets, ports or memory, its network is
    /// down, its firewall forbids the connection, or its resolver does not answer. The error is no fault of
    /// the peer.
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

/// The reason why the compressed body of a response cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// The content coding is unknown, or there is more than one.
    #[error("its `Content-Encoding` is {0:?}; accepted is one of gzip, deflate, br and zstd")]
    Unknown(String),
    /// The body does not have the form of its coding, or is incomplete.
    #[error("its body is not valid {0}")]
    Malformed(&'static str),
    /// The decoded body is too large in relation to the compressed body.
    #[error("its body expands to more than {max} times its size")]
    Ratio {
        /// The most decoded bytes for each compressed byte.
        max: u64,
    },
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
    /// Returns whether this machine or the proxy caused the error. Such an error is no fault of the peer.
    pub fn is_local_trouble(&self) -> bool {
        matches!(self, Self::Local(_) | Self::Proxy(_))
    }

    /// Classifies the error of a failed `socket` or `connect` to `address`.
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

    /// Classifies the error of a failed lookup.
    pub(crate) fn from_lookup(error: LookupError) -> Self {
        match Fault::of_lookup(error) {
            (Fault::Machine, error) => Self::Local(error),
            (Fault::MachineIfIpv4 | Fault::Deadline | Fault::Peer, error) => Self::Dns(error),
        }
    }

    /// Classifies an error of an established connection.
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

    /// How much an error says about the peer when several addresses of one host fail. The error with the
    /// highest number is reported.
    ///
    /// The answer of an address (2) counts more than trouble of this machine (1), because the answer shows
    /// that this machine could reach the host. An IPv6 address that is unusable because this machine has no
    /// IPv6 (0) says nothing as long as the host has another address.
    pub(crate) fn rank_among_addresses(&self) -> u8 {
        match self {
            Self::Refused(error) if Errno::from_io_error(error) == Some(Errno::ADDRNOTAVAIL) => 0,
            _ if self.is_local_trouble() => 1,
            _ => 2,
        }
    }
}

/// What an error of the operating system or of the resolver says about its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// This machine or its network. The error uses up no attempt.
    Machine,
    /// This machine, if the address is IPv4. The peer, if the address is IPv6.
    MachineIfIpv4,
    /// The peer was silent for too long.
    Deadline,
    /// The peer, its network or its name.
    Peer,
}

/// An error as the operating system or the resolver reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symptom {
    /// The number of a failed system call.
    Os(Errno),
    /// The code of a failed `getaddrinfo`.
    Lookup(i32),
}

/// The cause of each error, with the reason. An error that is not in the table counts against the peer: the
/// retry schedule then limits the number of attempts, while trouble of this machine is retried without a
/// limit.
const FAULTS: [(Symptom, Fault); 31] = [
    // This process or machine has no free file, socket buffer or memory.
    (Symptom::Os(Errno::MFILE), Fault::Machine),
    (Symptom::Os(Errno::NFILE), Fault::Machine),
    (Symptom::Os(Errno::NOBUFS), Fault::Machine),
    (Symptom::Os(Errno::NOMEM), Fault::Machine),
    // No entry of the kernel's routing cache or no local port is free (ip(7), connect(2)).
    (Symptom::Os(Errno::AGAIN), Fault::Machine),
    (Symptom::Os(Errno::ADDRINUSE), Fault::Machine),
    // For IPv4, no local port is free, which is temporary. For IPv6, an administrator has usually disabled
    // IPv6 on this machine, which is permanent, so that the peer counts as unreachable.
    (Symptom::Os(Errno::ADDRNOTAVAIL), Fault::MachineIfIpv4),
    // This machine has no route to the address, or its interface is down. A host with one reachable address
    // never ends here, because the answer of an address counts more than local trouble.
    (Symptom::Os(Errno::NETUNREACH), Fault::Machine),
    (Symptom::Os(Errno::NETDOWN), Fault::Machine),
    (Symptom::Os(Errno::NONET), Fault::Machine),
    // The kernel of this machine, or the sandbox of this process, supports no socket of this family.
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
    // causes the same error, but a host that is switched off is the usual cause.
    (Symptom::Os(Errno::HOSTUNREACH), Fault::Peer),
    (Symptom::Os(Errno::HOSTDOWN), Fault::Peer),
    // The kernel waited for the peer until its own timeout.
    (Symptom::Os(Errno::TIMEDOUT), Fault::Deadline),
    // No resolver answered, or it could not find the answer at the moment. The name may exist.
    (Symptom::Lookup(libc::EAI_AGAIN), Fault::Machine),
    // The lookup had no memory.
    (Symptom::Lookup(libc::EAI_MEMORY), Fault::Machine),
    // The name does not exist, or has no address.
    (Symptom::Lookup(libc::EAI_NONAME), Fault::Peer),
    (Symptom::Lookup(libc::EAI_NODATA), Fault::Peer),
    // The name has no address of the families that this machine has.
    (Symptom::Lookup(libc::EAI_FAMILY), Fault::Peer),
    // The resolver answered that the lookup is refused, or its answer is broken. Only this name is affected.
    (Symptom::Lookup(libc::EAI_FAIL), Fault::Peer),
    // The lookup was asked in a wrong form, for example with a name that is too long.
    (Symptom::Lookup(libc::EAI_BADFLAGS), Fault::Peer),
    (Symptom::Lookup(libc::EAI_SERVICE), Fault::Peer),
    (Symptom::Lookup(libc::EAI_OVERFLOW), Fault::Peer),
];

impl Symptom {
    fn fault(self) -> Fault {
        FAULTS.iter().find(|(symptom, _)| *symptom == self).map_or(Fault::Peer, |(_, fault)| *fault)
    }
}

impl Fault {
    /// Looks up an error of a system call. An error without a number counts as a timeout by its kind, or else
    /// against the peer.
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(errno) => Symptom::Os(errno).fault(),
            None if error.kind() == io::ErrorKind::TimedOut => Self::Deadline,
            None => Self::Peer,
        }
    }

    /// Looks up an error of a lookup. `EAI_SYSTEM` means that a system call of the lookup failed, so the
    /// number of the system call decides.
    fn of_lookup(error: LookupError) -> (Self, io::Error) {
        let (code, error) = (error.error_num(), io::Error::from(error));
        let fault = match code {
            libc::EAI_SYSTEM => Self::of(&error),
            _ => Symptom::Lookup(code).fault(),
        };
        (fault, error)
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
    fn the_table_of_faults_decides_for_every_errno_and_every_code_of_the_resolver() {
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
                Symptom::Lookup(code) => {
                    let error = NetError::from_lookup(LookupError::new(code));
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
    fn an_error_that_is_not_in_the_table_counts_against_the_peer() {
        assert!(matches!(NetError::from_connect(os_error(Errno::INVAL), V4), NetError::Refused(_)));
        assert!(matches!(NetError::from_connect(io::Error::other("unknown"), V4), NetError::Refused(_)));
        assert!(matches!(NetError::from_lookup(LookupError::new(-9_999)), NetError::Dns(_)));
    }

    #[test]
    fn eaddrnotavail_is_a_local_error_for_ipv4_and_a_refused_connection_for_ipv6() {
        assert!(matches!(NetError::from_connect(os_error(Errno::ADDRNOTAVAIL), V4), NetError::Local(_)));
        assert!(matches!(NetError::from_connect(os_error(Errno::ADDRNOTAVAIL), V6), NetError::Refused(_)));
    }
}
