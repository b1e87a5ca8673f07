//! The IP addresses of this machine's network interfaces, including the public addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest age of the list of addresses. An older list is read again before its next use, so a new
/// interface becomes known after at most this time.
const MAX_AGE: Duration = Duration::from_secs(5);

/// A list of the addresses of this machine that follows changes of the interfaces.
pub(crate) struct OwnAddresses {
    list: Mutex<AddressList>,
}

struct AddressList {
    addresses: Arc<[IpAddr]>,
    read_at: Instant,
}

impl OwnAddresses {
    /// Reads the addresses of the interfaces.
    pub(crate) fn read() -> Self {
        let addresses = list_interfaces().unwrap_or_else(|| Arc::from([]));
        Self { list: Mutex::new(AddressList { addresses, read_at: Instant::now() }) }
    }

    /// Returns the addresses of the interfaces. If the list is older than [`MAX_AGE`], the function first
    /// reads the addresses again.
    pub(crate) fn current(&self) -> Arc<[IpAddr]> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.read_at.elapsed() >= MAX_AGE {
            list.read_at = Instant::now();
            // If the system refuses to list the interfaces, the previous list of addresses stays in use.
            list.addresses = list_interfaces().unwrap_or_else(|| Arc::clone(&list.addresses));
        }
        Arc::clone(&list.addresses)
    }
}

/// Returns whether this machine has an IPv6 address that can reach the internet: an address that is neither a
/// loopback nor a link-local address.
pub(crate) fn has_global_ipv6(addresses: &[IpAddr]) -> bool {
    addresses.iter().any(|address| match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => *address != Ipv6Addr::LOCALHOST && !address.is_unicast_link_local(),
    })
}

/// Returns the addresses of all interfaces, or `None` when the system refuses to list them.
fn list_interfaces() -> Option<Arc<[IpAddr]>> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => Some(interfaces.iter().map(if_addrs::Interface::ip).collect()),
        Err(error) => {
            tracing::warn!(%error, "the addresses of this machine cannot be listed");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_list_of_own_ip_addresses_contains_the_loopback_address_and_is_read_again_when_too_old() {
        let own = OwnAddresses::read();
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(own.current().contains(&loopback));
        own.list.lock().unwrap().addresses = Arc::from([]);
        assert!(own.current().is_empty(), "a young list is not read again");
        tokio::time::advance(MAX_AGE).await;
        assert!(own.current().contains(&loopback));
    }

    #[test]
    fn a_machine_has_no_global_ipv6_if_its_only_ipv6_addresses_are_loopback_or_link_local() {
        let has = |texts: &[&str]| {
            has_global_ipv6(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
        };
        assert!(has(&["127.0.0.1", "2606:4700::1"]) && has(&["fd00::1"]));
        assert!(!has(&["::1", "fe80::1", "10.0.0.1"]));
    }
}
