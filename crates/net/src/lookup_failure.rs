//! The ways in which the lookup of a host name fails. The table in `error.rs` decides which of these failures
//! are faults of this machine.

use rustix::io::Errno;

/// The reason why a host name has no usable address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailure {
    /// A name server answered that the host name does not exist (NXDOMAIN).
    #[error("the host name does not exist")]
    NoSuchName,
    /// The host name exists, but it has neither an IPv4 address nor an IPv6 address.
    #[error("the host name has no address")]
    NoAddress,
    /// The host name does not have the form of a DNS name, for example because a label has 64 characters.
    #[error("the host name is not a valid DNS name")]
    InvalidName,
    /// The name servers answered this lookup with an error such as SERVFAIL, although the name servers answer
    /// other lookups.
    #[error("the name servers answered the lookup with an error")]
    ServerError,
    /// No name server answered this lookup in time, although the name servers answer other lookups.
    #[error("no name server answered the lookup in time")]
    Unanswered,
    /// The name servers of this machine answer no lookup at all, or answer every lookup with the same error.
    #[error("the name servers of this machine do not work at the moment")]
    NameServersDown,
    /// The lookup could not start before the deadline, because this process ran the largest permitted number
    /// of other lookups.
    #[error("this server had no room for the lookup")]
    NoRoom,
}

/// The error of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupError {
    /// The lookup ended without an address.
    Failed(LookupFailure),
    /// A system call of the lookup failed on this machine, for example because no file descriptor was free.
    System(Errno),
}
