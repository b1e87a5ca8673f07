//! The durations of the phases of an exchange, and the trace in which they are collected.

use std::net::SocketAddr;

use tokio::time::Instant;

/// The duration of each phase of an exchange, in milliseconds. The phases follow each other.
///
/// A field is `None` when its phase did not take place or did not end. On a reused connection, `dns_ms`,
/// `connect_ms` and `tls_ms` are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseTimings {
    /// The lookup of the host name.
    pub dns_ms: Option<u32>,
    /// The TCP connect, including failed attempts at other addresses of the host.
    pub connect_ms: Option<u32>,
    /// The TLS handshake.
    pub tls_ms: Option<u32>,
    /// From the start of the request to the first byte of the response.
    pub first_byte_ms: Option<u32>,
}

/// The address and the timings of a running exchange. Both remain available when the deadline cancels the
/// exchange.
#[derive(Default)]
pub(crate) struct ExchangeTrace {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) timings: PhaseTimings,
}

/// Whole milliseconds since `start`.
pub(crate) fn elapsed_ms(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_millis()).unwrap_or(u32::MAX)
}
