//! The only place that opens connections: resolve, judge, connect, TLS. Timings of each phase are kept.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, TryFutureExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use url::Host;

use super::connection::Stream;
use super::exchange::{PhaseTimings, Trace, elapsed_ms};
use super::target::Origin;
use super::{Inner, NetError, tls};

/// Addresses of one host that are tried. A name with more is tried at its first ones.
const MAX_ADDRESSES: usize = 6;

/// Head start of each address over the next, while it neither connects nor fails (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A fresh connection to `origin`. What was measured lands in `trace` as it is known, so that a caller whose deadline
/// passes in the middle still has it.
pub(super) async fn dial(
    inner: &Inner,
    origin: &Origin,
    trace: &mut Trace,
) -> Result<(Stream, SocketAddr), NetError> {
    trace.timings = PhaseTimings::default();
    let resolved = resolve(inner, origin, trace).await?;
    let permitted = resolved.into_iter().filter(|address| inner.policy.permits(address.ip())).collect();
    let addresses = alternate(permitted);
    let Some(first) = addresses.first() else { return Err(NetError::BlockedAddress) };
    trace.address = Some(*first);

    let begun = Instant::now();
    let (stream, address) = match &inner.proxy {
        None => connect_any(&addresses, connect).await?,
        Some(proxy) => connect_any(&addresses, |address| proxy.tunnel(address)).await?,
    };
    trace.timings.connect_ms = Some(elapsed_ms(begun));
    trace.address = Some(address);
    // Requests are written whole: waiting for more to send would only cost time.
    stream.set_nodelay(true).map_err(|error| NetError::from_connect(error, address))?;
    if !origin.tls {
        return Ok((Stream::Plain(stream), address));
    }

    let begun = Instant::now();
    let name =
        tls::server_name(&origin.host).map_err(|_| NetError::BadUrl("the URL's host is no DNS name"))?;
    let stream = inner.tls.connect(name, stream).await.map_err(NetError::from_handshake)?;
    trace.timings.tls_ms = Some(elapsed_ms(begun));
    Ok((Stream::Tls(Box::new(stream)), address))
}

/// The addresses behind the host, in the resolver's order.
async fn resolve(inner: &Inner, origin: &Origin, trace: &mut Trace) -> Result<Vec<SocketAddr>, NetError> {
    let begun = Instant::now();
    let addresses = look_up(&inner.lookups, &origin.host, origin.port).await?;
    if matches!(origin.host, Host::Domain(_)) {
        trace.timings.dns_ms = Some(elapsed_ms(begun));
    }
    Ok(addresses)
}

/// The addresses behind a host, in the resolver's order; one of the `lookups` is used for a name.
pub(super) async fn look_up(
    lookups: &Arc<Semaphore>,
    host: &Host<String>,
    port: u16,
) -> Result<Vec<SocketAddr>, NetError> {
    let name = match host {
        Host::Ipv4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), port)]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(*address), port)]),
        Host::Domain(name) => name.clone(),
    };
    let permit = Arc::clone(lookups).acquire_owned().await.expect("this semaphore is never closed");
    let lookup = tokio::task::spawn_blocking(move || {
        // Held by the thread: a caller that gives up does not free the resolver.
        let _permit = permit;
        (name.as_str(), port).to_socket_addrs()
    });
    let addresses = lookup.await.map_err(io::Error::other).flatten().map_err(NetError::from_lookup)?;
    Ok(addresses.collect())
}

/// At most [`MAX_ADDRESSES`], families taking turns, so that a broken IPv6 costs one head start and not six.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (mut leading, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    leading.dedup();
    other.dedup();
    let (mut leading, mut other) = (leading.into_iter(), other.into_iter());
    let turns = std::iter::from_fn(|| match (leading.next(), other.next()) {
        (None, None) => None,
        (one, two) => Some([one, two]),
    });
    turns.flatten().flatten().take(MAX_ADDRESSES).collect()
}

/// Tries the addresses in order, each with its head start over the next; the first that connects wins.
pub(super) async fn connect_any<F: Future<Output = Result<TcpStream, NetError>>>(
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(TcpStream, SocketAddr), NetError> {
    let mut untried = addresses.iter().copied();
    let mut running = FuturesUnordered::new();
    let mut failure = None;
    loop {
        match untried.next() {
            Some(address) => running.push(connect(address).map_ok(move |stream| (stream, address))),
            None if running.is_empty() => return Err(failure.unwrap_or(NetError::BlockedAddress)),
            None => {}
        }
        let more = untried.len() > 0;
        tokio::select! {
            Some(ended) = running.next() => match ended {
                Ok(connected) => return Ok(connected),
                // What an address itself said counts for more than what could not be done for another one here.
                Err(error) if error.is_local_trouble() && failure.is_some() => {}
                Err(error) => failure = Some(error),
            },
            () = sleep(HEAD_START), if more => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that connects, with an address that was judged")]
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, NetError> {
    TcpStream::connect(address).await.map_err(|error| NetError::from_connect(error, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "[::4]:1", "[::5]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1", "[::4]:1"];
        assert_eq!(alternate(addresses(&given)), addresses(&expected));
        assert_eq!(alternate(addresses(&["1.1.1.1:1", "1.1.1.1:1"])), addresses(&["1.1.1.1:1"]));
        assert_eq!(alternate(Vec::new()), Vec::new());
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_living_one() {
        let living = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let living = living.local_addr().unwrap();
        let (_stream, address) = connect_any(&[dead, dead, living], connect).await.unwrap();
        assert_eq!(address, living);
        let error = connect_any(&[dead], connect).await.unwrap_err();
        assert!(matches!(error, NetError::Refused(_)), "{error:?}");
    }
}
