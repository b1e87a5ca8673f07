//! Opens connections in four steps: resolve the host, check the addresses of the host, connect, TLS
//! handshake. No other file of the server opens an outbound connection.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, TryFutureExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use url::Host;

use crate::deadline::Deadline;
use crate::lookup_failure::LookupFailure;
use crate::metered_stream::MaybeTlsStream;
use crate::own_addresses::has_global_ipv6;
use crate::resolver::Resolver;
use crate::target::Origin;
use crate::timings::{ExchangeTrace, Phase, PhaseTimings, elapsed_ms};
use crate::{AddressPolicy, Inner, NetError, tls};

/// The largest number of addresses of one host that are tried. The other addresses of the host are ignored.
const MAX_ADDRESSES: usize = 6;

/// The time that a pending connect may take before the next address is tried in parallel (RFC 8305, section
/// 5). After a failed connect, the next address is tried at once.
const HEAD_START: Duration = Duration::from_millis(250);

/// Opens a new connection to `origin`.
///
/// Each timing is written to `trace` as soon as it is measured, so that the caller has the timing even if the
/// caller's deadline passes.
pub(crate) async fn dial(
    inner: &Inner,
    origin: &Origin,
    deadline: &Deadline,
    trace: &mut ExchangeTrace,
) -> Result<(MaybeTlsStream, SocketAddr), NetError> {
    trace.timings = PhaseTimings::default();
    inner.policy.check_host(&origin.host).map_err(|rule| inner.policy.error(rule))?;
    let resolved = resolve(inner, origin, deadline, trace).await?;
    let own_addresses = inner.own_addresses.current();
    let mut permitted = permitted(&inner.policy, resolved, &own_addresses)?;
    // The preferred address family comes first (RFC 8305, section 4). The addresses of one family keep the
    // order in which the name servers returned them.
    let prefers_ipv6 = has_global_ipv6(&own_addresses);
    permitted.sort_by_key(|address| address.is_ipv6() != prefers_ipv6);
    let addresses = interleave_families(permitted);
    trace.address = addresses.first().copied();

    let connect_started = Instant::now();
    let (stream, address) = match &inner.proxy {
        None => connect_directly(inner, origin, &addresses, trace).await?,
        Some(proxy) => connect_any(&addresses, |peer| proxy.tunnel(&inner.resolver, peer, deadline)).await?,
    };
    trace.timings.connect_ms = Some(elapsed_ms(connect_started));
    trace.address = Some(address);
    // Nagle's algorithm is turned off: the client writes each request in one piece, so the algorithm would
    // only delay the request.
    stream.set_nodelay(true).map_err(|error| NetError::from_connect(error, address))?;
    if !origin.tls {
        return Ok((MaybeTlsStream::Plain(stream), address));
    }

    let handshake_started = Instant::now();
    let name =
        tls::server_name(&origin.host).map_err(|_| NetError::InvalidUrl("the URL's host is no DNS name"))?;
    let stream = inner.tls.connect(name, stream).await.map_err(NetError::from_handshake)?;
    trace.timings.tls_ms = Some(elapsed_ms(handshake_started));
    Ok((MaybeTlsStream::Tls(Box::new(stream)), address))
}

/// Connects to one of the addresses without a proxy.
///
/// A silent host and a silent network cause the same errors. If the address of the host comes from the DNS, a
/// question to the name servers tells the two cases apart: if the name servers are silent as well, the error
/// is a fault of this machine.
async fn connect_directly(
    inner: &Inner,
    origin: &Origin,
    addresses: &[SocketAddr],
    trace: &mut ExchangeTrace,
) -> Result<(TcpStream, SocketAddr), NetError> {
    let is_in_dns = matches!(&origin.host, Host::Domain(name) if inner.resolver.is_in_dns(name));
    trace.phase = if is_in_dns { Phase::Connect } else { Phase::Other };
    let connected = connect_any(addresses, connect).await;
    trace.phase = Phase::Other;
    match connected {
        Err(error) if is_in_dns && error.is_silence() => {
            Err(inner.resolver.network_fault().await.unwrap_or(error))
        }
        connected => connected,
    }
}

/// Returns the addresses that the address policy permits. When the policy permits none of the addresses, the
/// error names the rule that forbids the first address.
fn permitted(
    policy: &AddressPolicy,
    resolved: Vec<SocketAddr>,
    own_addresses: &[IpAddr],
) -> Result<Vec<SocketAddr>, NetError> {
    let mut blocked_by = None;
    let mut permitted = Vec::with_capacity(resolved.len());
    for address in resolved {
        match policy.check(address, own_addresses) {
            Ok(()) => permitted.push(address),
            Err(rule) => blocked_by = blocked_by.or(Some(rule)),
        }
    }
    if !permitted.is_empty() {
        return Ok(permitted);
    }
    Err(blocked_by.map_or_else(no_address, |rule| policy.error(rule)))
}

/// The error for a host name that has no address.
fn no_address() -> NetError {
    NetError::Dns(LookupFailure::NoAddress)
}

/// Resolves the host of `origin` and records the duration of the lookup. Returns the addresses in the order
/// of the resolver.
async fn resolve(
    inner: &Inner,
    origin: &Origin,
    deadline: &Deadline,
    trace: &mut ExchangeTrace,
) -> Result<Vec<SocketAddr>, NetError> {
    let lookup_started = Instant::now();
    trace.phase = Phase::Lookup;
    let addresses = look_up(&inner.resolver, &origin.host, origin.port, deadline).await;
    trace.phase = Phase::Other;
    let addresses = addresses?;
    if matches!(origin.host, Host::Domain(_)) {
        trace.timings.dns_ms = Some(elapsed_ms(lookup_started));
    }
    Ok(addresses)
}

/// Returns the addresses of a host in the order of the resolver. An IP address needs no lookup.
pub(crate) async fn look_up(
    resolver: &Resolver,
    host: &Host<String>,
    port: u16,
    deadline: &Deadline,
) -> Result<Vec<SocketAddr>, NetError> {
    let name = match host {
        Host::Ipv4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), port)]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(*address), port)]),
        Host::Domain(name) => name,
    };
    let addresses = resolver.look_up(name, deadline).await?;
    Ok(addresses.iter().map(|address| SocketAddr::new(*address, port)).collect())
}

/// Orders addresses so that IPv4 and IPv6 alternate, starting with the family of the first address, and
/// returns at most [`MAX_ADDRESSES`] of them. Because of this order, a broken IPv6 network delays a
/// connection by only one [`HEAD_START`].
fn interleave_families(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (mut leading, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    leading.dedup();
    other.dedup();
    let (mut leading, mut other) = (leading.into_iter(), other.into_iter());
    let pairs = std::iter::from_fn(|| match (leading.next(), other.next()) {
        (None, None) => None,
        (from_leading, from_other) => Some([from_leading, from_other]),
    });
    pairs.flatten().flatten().take(MAX_ADDRESSES).collect()
}

/// Connects to one of `addresses` with the function `connect` and returns the stream of the first connect
/// that succeeds.
///
/// The addresses are tried in order. The next address is tried as soon as a connect fails, and at the latest
/// [`HEAD_START`] after the previous address.
///
/// When every address fails, returns the latest error that the peer caused. If the peer caused no error,
/// returns the latest error that this machine or the proxy caused. The error of an IPv6 address on a machine
/// without IPv6 is returned only if no other error exists.
pub(crate) async fn connect_any<F: Future<Output = Result<TcpStream, NetError>>>(
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(TcpStream, SocketAddr), NetError> {
    let mut untried = addresses.iter().copied();
    let mut running = FuturesUnordered::new();
    let mut failure: Option<NetError> = None;
    loop {
        match untried.next() {
            Some(address) => running.push(connect(address).map_ok(move |stream| (stream, address))),
            None if running.is_empty() => return Err(failure.unwrap_or_else(no_address)),
            None => {}
        }
        let has_untried = untried.len() > 0;
        tokio::select! {
            Some(ended) = running.next() => match ended {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    let says_more = |kept: &NetError| kept.rank_among_addresses() > error.rank_among_addresses();
                    if !failure.as_ref().is_some_and(says_more) {
                        failure = Some(error);
                    }
                }
            },
            () = sleep(HEAD_START), if has_untried => {}
        }
    }
}

/// Opens a TCP connection to `address`. The caller must have checked the address with the address policy,
/// unless the address belongs to the configured proxy.
#[expect(clippy::disallowed_methods, reason = "the only outbound connect; its callers check the address")]
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, NetError> {
    TcpStream::connect(address).await.map_err(|error| NetError::from_connect(error, address))
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn ipv4_and_ipv6_addresses_of_a_host_are_tried_alternately() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "[::4]:1", "[::5]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1", "[::4]:1"];
        assert_eq!(interleave_families(addresses(&given)), addresses(&expected));
        assert_eq!(interleave_families(addresses(&["1.1.1.1:1", "1.1.1.1:1"])), addresses(&["1.1.1.1:1"]));
        assert_eq!(interleave_families(Vec::new()), Vec::new());
    }

    #[tokio::test]
    async fn connecting_to_a_host_succeeds_if_only_its_last_address_accepts_connections() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let listening = listener.local_addr().unwrap();
        let (_stream, address) = connect_any(&[closed, closed, listening], connect).await.unwrap();
        assert_eq!(address, listening);
        let error = connect_any(&[closed], connect).await.unwrap_err();
        assert!(matches!(error, NetError::Refused(_)), "{error:?}");
    }

    /// Calls `connect_any` with addresses that all fail, each with its given error number. Returns the error
    /// that `connect_any` chooses.
    async fn failure_of(errnos: &[(&str, Errno)]) -> NetError {
        let failing = |address: SocketAddr| {
            let (_, errno) = errnos.iter().find(|(text, _)| text.parse() == Ok(address)).unwrap();
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            std::future::ready(Err(NetError::from_connect(error, address)))
        };
        let addresses = addresses(&errnos.iter().map(|(text, _)| *text).collect::<Vec<_>>());
        connect_any(&addresses, failing).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_failed_connect_on_a_machine_without_ipv6_reports_the_error_of_the_ipv4_address() {
        let (v4, v6) = ("192.0.1.1:80", "[2606::1]:80");
        for missing in [Errno::NETUNREACH, Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT] {
            for order in
                [[(v4, Errno::CONNREFUSED), (v6, missing)], [(v6, missing), (v4, Errno::CONNREFUSED)]]
            {
                let error = failure_of(&order).await;
                let NetError::Refused(error) = error else { panic!("{missing:?}: {error:?}") };
                assert_eq!(Errno::from_io_error(&error), Some(Errno::CONNREFUSED), "{missing:?}");
            }
            let order = [(v4, Errno::MFILE), (v6, missing)];
            assert!(failure_of(&order).await.is_local_trouble(), "{missing:?}");
            let order = [(v6, missing), (v4, Errno::NETUNREACH)];
            assert!(failure_of(&order).await.is_local_trouble(), "{missing:?}");
        }
        let only_v6 = [(v6, Errno::AFNOSUPPORT), ("[2606::2]:80", Errno::AFNOSUPPORT)];
        assert!(failure_of(&only_v6).await.is_local_trouble());
    }
}
