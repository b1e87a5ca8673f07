//! The durations of the phases of an exchange (DNS lookup, connect, TLS handshake, first byte), and the trace
//! that collects them.

use std::net::SocketAddr;

use tokio::time::Instant;

/// The duration of each phase of an exchange, in milliseconds. The phases run one after the other.
///
/// A field is `None` when its phase did not take place or did not end. On a reused connection, `dns_ms`,
/// `connect_ms` and `tls_ms` are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseTimings {
    /// The duration of the DNS lookup of the host name.
    pub dns_ms: Option<u32>,
    /// The duration of the TCP connect, including failed attempts at other addresses of the host.
    pub connect_ms: Option<u32>,
    /// The duration of the TLS handshake.
    pub tls_ms: Option<u32>,
    /// The time from the start of the request to the first byte of the response.
    pub first_byte_ms: Option<u32>,
}

/// The address and the timings of a running exchange. The caller can still read the address and the timings
/// after the deadline has cancelled the exchange.
#[derive(Default)]
pub(crate) struct ExchangeTrace {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) timings: PhaseTimings,
    /// The current phase of the exchange.
    pub(crate) phase: Phase,
}

/// The phases that need the name servers or the network of this machine. If the deadline ends an operation,
/// the phase decides which error the operation returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The DNS lookup of the host name.
    Lookup,
    /// A direct connect to a host whose addresses are in the DNS.
    Connect,
    /// Any other part of an exchange.
    #[default]
    Other,
}

/// Returns the whole milliseconds that have passed since `start`.
pub(crate) fn elapsed_ms(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_millis()).unwrap_or(u32::MAX)
}
