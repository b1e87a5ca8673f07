//! The rule that says which addresses the server may connect to: public unicast addresses, and the networks
//! that the configuration allows.
//!
//! The rule checks the IP address that is about to be dialled, never a host name. The tables follow the IANA
//! special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Network;

/// Decides for each IP address whether a connection may be opened. The default permits public addresses only.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    /// Networks that are permitted in addition to the public addresses.
    pub allow: Vec<Network>,
}

impl AddressPolicy {
    /// Permits public addresses only.
    pub fn public_only() -> Self {
        Self::default()
    }

    /// Permits public addresses and the addresses in `allow`.
    pub fn allowing(allow: Vec<Network>) -> Self {
        Self { allow }
    }

    /// Returns whether a connection to `address` may be opened. An IPv4-mapped IPv6 address
    /// (`::ffff:127.0.0.1`) is also checked as the IPv4 address in it.
    pub fn permits(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        let is_allowed = |candidate| self.allow.iter().any(|network| network.contains(candidate));
        is_allowed(address) || is_allowed(canonical) || is_public(canonical)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IPv4 networks that do not belong to the public unicast Internet.
const SPECIAL_V4: [Network; 15] = [
    Network::v4(0, 0, 0, 0, 8),       // this network, and the unspecified address
    Network::v4(10, 0, 0, 0, 8),      // private
    Network::v4(100, 64, 0, 0, 10),   // carrier-grade NAT
    Network::v4(127, 0, 0, 0, 8),     // loopback
    Network::v4(169, 254, 0, 0, 16),  // link-local, including cloud metadata services
    Network::v4(172, 16, 0, 0, 12),   // private
    Network::v4(192, 0, 0, 0, 24),    // protocol assignments
    Network::v4(192, 0, 2, 0, 24),    // documentation
    Network::v4(192, 88, 99, 0, 24),  // former 6to4 relays
    Network::v4(192, 168, 0, 0, 16),  // private
    Network::v4(198, 18, 0, 0, 15),   // benchmarking
    Network::v4(198, 51, 100, 0, 24), // documentation
    Network::v4(203, 0, 113, 0, 24),  // documentation
    Network::v4(224, 0, 0, 0, 4),     // multicast
    Network::v4(240, 0, 0, 0, 4),     // reserved, and broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|network| network.contains(IpAddr::V4(address)))
}

/// The only part of IPv6 that is assigned as global unicast. The addresses outside are loopback, link-local,
/// site-local, unique local, multicast, discard-only, segment routing, or unassigned.
const GLOBAL_UNICAST_V6: Network = Network::v6([0x2000, 0, 0], 3);

/// Networks inside IPv6 global unicast that are not public.
const SPECIAL_V6: [Network; 3] = [
    Network::v6([0x2001, 0, 0], 23), // protocol assignments: benchmarking, ORCHID, …
    Network::v6([0x2001, 0x0db8, 0], 32), // documentation
    Network::v6([0x3fff, 0, 0], 20), // documentation
];

/// The NAT64 prefix (RFC 6052). The last 32 bits are an IPv4 address.
const NAT64: Network = Network::v6([0x0064, 0xff9b, 0], 96);
/// The Teredo prefix (RFC 4380). It tunnels to an IPv4 server and an IPv4 client.
const TEREDO: Network = Network::v6([0x2001, 0, 0], 32);
/// The 6to4 prefix (RFC 3056). The 32 bits after the prefix are an IPv4 address.
const SIX_TO_FOUR: Network = Network::v6([0x2002, 0, 0], 16);

/// Returns whether an IPv6 address is public. An address that tunnels to an IPv4 address is public only if
/// that IPv4 address is public.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let ip = IpAddr::V6(address);
    let [_, s1, s2, s3, .., s6, s7] = address.segments();
    let embedded_v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    if NAT64.contains(ip) {
        is_public_v4(embedded_v4(s6, s7))
    } else if SIX_TO_FOUR.contains(ip) {
        is_public_v4(embedded_v4(s1, s2))
    } else if TEREDO.contains(ip) {
        // A Teredo address holds the server's IPv4 address unchanged, and the client's with all bits inverted
        // (RFC 4380, section 4).
        is_public_v4(embedded_v4(s2, s3)) && is_public_v4(embedded_v4(!s6, !s7))
    } else {
        GLOBAL_UNICAST_V6.contains(ip) && !SPECIAL_V6.iter().any(|network| network.contains(ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_addresses_are_permitted() {
        let policy = AddressPolicy::public_only();
        let public = "
            1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
            128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255
            192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
            198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
            2606:4700:4700::1111 2001:4860:4860::8888 2001:200::1 2a00:1450::1 3ffe::1";
        // IPv6 addresses that contain a public IPv4 address.
        let tunnels = "
            ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2001:0:808:808::f7f7:f7f7";
        for address in public.split_whitespace().chain(tunnels.split_whitespace()) {
            assert!(policy.permits(ip(address)), "{address} is public");
        }
    }

    #[test]
    fn special_addresses_are_refused_in_every_notation() {
        let policy = AddressPolicy::public_only();
        let special = "
            0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1
            127.255.255.255 169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.0
            192.0.0.171 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0
            198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1
            255.255.255.255 :: ::1 ::2 ::7f00:1 ::8.8.8.8 100::1 1fff:ffff:: 2001:2::1
            2001:10::1 2001:20::1 2001:1ff:ffff::1 2001:db8::1 3fff::1 4000:: 5f00::1 fc00::1
            fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1 64:ff9b:1::1";
        // IPv6 addresses that contain an IPv4 address that is not public.
        let tunnels = "
            ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:100.64.0.1
            ::ffff:0.0.0.0 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 2002:7f00:1::1 2002:a00:1::
            2002:a9fe:a9fe::1 2001:0:7f00:1::f7f7:f7f7 2001:0:808:808::80ff:fffe
            2001:0:808:808::5601:5601";
        for address in special.split_whitespace().chain(tunnels.split_whitespace()) {
            assert!(!policy.permits(ip(address)), "{address} is not public");
        }
    }

    #[test]
    fn allowed_networks_are_permitted_in_every_notation() {
        let networks = ["127.0.0.0/8", "::1/128", "fd00::/8"].map(|text| text.parse().unwrap());
        let policy = AddressPolicy::allowing(networks.to_vec());
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "fd00::7", "8.8.8.8"] {
            assert!(policy.permits(ip(address)), "{address} must be permitted");
        }
        for address in
            ["10.0.0.1", "::2", "fc00::7", "::ffff:10.0.0.1", "2002:7f00:1::1", "64:ff9b::127.0.0.1"]
        {
            assert!(!policy.permits(ip(address)), "{address} must be refused");
        }
    }
}
