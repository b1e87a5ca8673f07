//! The address policy: the rule that says which hosts, addresses and ports the server may connect to. By
//! default these are the public unicast addresses. The configuration can deny hosts and networks, allow
//! further networks, and limit the ports.
//!
//! The policy checks the IP address that is about to be dialled. Only the denied host names are compared with
//! the host of a URL. The tables of networks follow the IANA special-purpose address registries for IPv4 and
//! IPv6 (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::Host;

use crate::deny_rule::DenyRule;
use crate::ports::PortRules;
use crate::{BlockedBy, NetError, Network};

/// Decides for each address whether a connection to the address may be opened. The default permits all ports
/// of public addresses.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    /// Networks that are permitted in addition to the public addresses. Every port of their addresses is
    /// permitted.
    pub allow: Vec<Network>,
    /// Networks and host names that the server never connects to, even when a network in `allow` contains the
    /// address.
    pub deny: Vec<DenyRule>,
    /// The ports that are permitted at an address outside the networks in `allow`.
    pub ports: PortRules,
    /// Whether error messages to clients omit the rule that forbids a connection. The setting does not change
    /// which connections are permitted.
    pub is_terse: bool,
}

impl AddressPolicy {
    /// Creates a policy that permits only public addresses, at every port.
    pub fn public_only() -> Self {
        Self::default()
    }

    /// Creates a policy that permits public addresses and the addresses in `allow`, at every port.
    pub fn allowing(allow: Vec<Network>) -> Self {
        Self { allow, ..Self::default() }
    }

    /// Returns the error for a connection that `rule` forbids.
    pub(crate) fn error(&self, rule: BlockedBy) -> NetError {
        NetError::BlockedAddress { rule, is_terse: self.is_terse }
    }

    /// Checks the host of a URL before the DNS lookup. The error is [`BlockedBy::Deny`] when a denied host
    /// name matches.
    pub(crate) fn check_host(&self, host: &Host<String>) -> Result<(), BlockedBy> {
        let Host::Domain(name) = host else { return Ok(()) };
        match self.deny.iter().any(|rule| rule.matches_name(name)) {
            true => Err(BlockedBy::Deny),
            false => Ok(()),
        }
    }

    /// Checks an address and a port. The error names the rule that forbids a connection. `own_addresses` are
    /// the addresses of this machine. A connection to an address of this machine is forbidden even if the
    /// address is public.
    ///
    /// An IPv4-mapped IPv6 address (`::ffff:127.0.0.1`) is also checked as the IPv4 address that it contains.
    /// A denied IPv4 network also covers the IPv6 addresses that tunnel to an address of the denied network.
    /// An IPv4 address of this machine likewise covers the IPv6 addresses that tunnel to this IPv4 address.
    pub(crate) fn check(&self, address: SocketAddr, own_addresses: &[IpAddr]) -> Result<(), BlockedBy> {
        let (ip, canonical) = (address.ip(), address.ip().to_canonical());
        let is_denied = |candidate| self.deny.iter().any(|rule| rule.contains(candidate));
        let is_allowed = |candidate| self.allow.iter().any(|network| network.contains(candidate));
        let is_own = |candidate| own_addresses.contains(&candidate);
        if is_denied(ip) || is_denied(canonical) || embedded_v4(canonical).any(|v4| is_denied(v4.into())) {
            Err(BlockedBy::Deny)
        } else if is_allowed(ip) || is_allowed(canonical) {
            Ok(())
        } else if !is_public(canonical) {
            Err(BlockedBy::Address)
        } else if is_own(canonical) || embedded_v4(canonical).any(|v4| is_own(v4.into())) {
            Err(BlockedBy::OwnAddress)
        } else if !self.ports.permit(address.port()) {
            Err(BlockedBy::Port(address.port()))
        } else {
            Ok(())
        }
    }
}

/// Returns whether an address is public. An IPv6 address that tunnels to IPv4 addresses is public only if all
/// of these IPv4 addresses are public.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address) && embedded_v4(address.into()).all(is_public_v4),
    }
}

/// IPv4 networks that do not belong to the public unicast Internet.
const SPECIAL_V4: [Network; 16] = [
    Network::v4(0, 0, 0, 0, 8),     // this network, and the unspecified address
    Network::v4(10, 0, 0, 0, 8),    // private
    Network::v4(100, 64, 0, 0, 10), // carrier-grade NAT
    Network::v4(127, 0, 0, 0, 8),   // loopback
    // The platform services of Azure virtual machines. The address lies outside the private ranges, but on an
    // Azure machine it leads to the services of that machine's own host.
    Network::v4(168, 63, 129, 16, 32),
    Network::v4(169, 254, 0, 0, 16), // link-local, including cloud metadata services
    Network::v4(172, 16, 0, 0, 12),  // private
    Network::v4(192, 0, 0, 0, 24),   // protocol assignments
    Network::v4(192, 0, 2, 0, 24),   // documentation
    Network::v4(192, 88, 99, 0, 24), // former 6to4 relays
    Network::v4(192, 168, 0, 0, 16), // private
    Network::v4(198, 18, 0, 0, 15),  // benchmarking
    Network::v4(198, 51, 100, 0, 24), // documentation
    Network::v4(203, 0, 113, 0, 24), // documentation
    Network::v4(224, 0, 0, 0, 4),    // multicast
    Network::v4(240, 0, 0, 0, 4),    // reserved, and broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|network| network.contains(IpAddr::V4(address)))
}

/// The only part of the IPv6 address space that is assigned as global unicast. The addresses outside this
/// part are loopback, link-local, site-local, unique local, multicast, discard-only, segment routing, or
/// unassigned.
const GLOBAL_UNICAST_V6: Network = Network::v6([0x2000, 0, 0], 3);

/// Networks that lie inside IPv6 global unicast but are not public.
const SPECIAL_V6: [Network; 3] = [
    Network::v6([0x2001, 0, 0], 23), // protocol assignments: benchmarking, ORCHID, …
    Network::v6([0x2001, 0x0db8, 0], 32), // documentation
    Network::v6([0x3fff, 0, 0], 20), // documentation
];

/// The NAT64 prefix (RFC 6052). The last 32 bits of such an address are an IPv4 address.
const NAT64: Network = Network::v6([0x0064, 0xff9b, 0], 96);
/// The Teredo prefix (RFC 4380). Such an address contains the IPv4 addresses of a Teredo server and of a
/// Teredo client.
const TEREDO: Network = Network::v6([0x2001, 0, 0], 32);
/// The 6to4 prefix (RFC 3056). The 32 bits after the prefix are an IPv4 address.
const SIX_TO_FOUR: Network = Network::v6([0x2002, 0, 0], 16);

/// Returns whether an IPv6 address belongs to the public internet. This function does not check the IPv4
/// addresses that an IPv6 tunnel address contains.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let ip = IpAddr::V6(address);
    NAT64.contains(ip)
        || TEREDO.contains(ip)
        || GLOBAL_UNICAST_V6.contains(ip) && !SPECIAL_V6.iter().any(|network| network.contains(ip))
}

/// Returns the IPv4 addresses that an IPv6 address tunnels to. The result is empty for an IPv4 address.
fn embedded_v4(address: IpAddr) -> impl Iterator<Item = Ipv4Addr> {
    let segments = match address {
        IpAddr::V4(_) => [0; 8],
        IpAddr::V6(address) => address.segments(),
    };
    let [_, s1, s2, s3, s4, s5, s6, s7] = segments;
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let nat64 = NAT64.contains(address).then(|| v4(s6, s7));
    let six_to_four = SIX_TO_FOUR.contains(address).then(|| v4(s1, s2));
    // A Teredo address contains the IPv4 address of the server unchanged, and the IPv4 address of the client
    // with all bits inverted (RFC 4380, section 4).
    let is_teredo = TEREDO.contains(address);
    let teredo = [is_teredo.then(|| v4(s2, s3)), is_teredo.then(|| v4(!s6, !s7))];
    // An ISATAP interface identifier (RFC 5214, section 6.1) can follow any prefix. In its first 16 bits, the
    // bit 0x0200 marks a globally unique IPv4 address.
    let isatap = (s4 & !0x0200 == 0 && s5 == 0x5efe).then(|| v4(s6, s7));
    [nat64, six_to_four, isatap].into_iter().chain(teredo).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn check(policy: &AddressPolicy, address: &str, port: u16) -> Result<(), BlockedBy> {
        policy.check(SocketAddr::new(ip(address), port), &[])
    }

    fn permits(policy: &AddressPolicy, address: &str) -> bool {
        check(policy, address, 443).is_ok()
    }

    #[test]
    fn the_default_policy_permits_public_addresses() {
        let policy = AddressPolicy::public_only();
        let public = "
            1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
            128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255
            192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
            198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
            2606:4700:4700::1111 2001:4860:4860::8888 2001:200::1 2a00:1450::1 3ffe::1";
        // Each of these IPv6 addresses contains a public IPv4 address, so the policy permits it.
        let tunnels = "
            ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2001:0:808:808::f7f7:f7f7
            2606:2800:220:1:0:5efe:8.8.8.8 2606:2800:220:1:200:5efe:8.8.8.8";
        for address in public.split_whitespace().chain(tunnels.split_whitespace()) {
            assert!(permits(&policy, address), "{address} is public");
        }
    }

    #[test]
    fn the_default_policy_refuses_non_public_addresses_even_inside_ipv6_tunnel_addresses() {
        let policy = AddressPolicy::public_only();
        let special = "
            0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1
            127.255.255.255 169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.0
            192.0.0.171 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0
            198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1
            255.255.255.255 :: ::1 ::2 ::7f00:1 ::8.8.8.8 100::1 1fff:ffff:: 2001:2::1
            2001:10::1 2001:20::1 2001:1ff:ffff::1 2001:db8::1 3fff::1 4000:: 5f00::1 fc00::1
            fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1 64:ff9b:1::1";
        // Each of these IPv6 addresses contains an IPv4 address that is not public, so the policy refuses it.
        let tunnels = "
            ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:100.64.0.1
            ::ffff:0.0.0.0 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 2002:7f00:1::1 2002:a00:1::
            2002:a9fe:a9fe::1 2001:0:7f00:1::f7f7:f7f7 2001:0:808:808::80ff:fffe
            2001:0:808:808::5601:5601 2606:2800:220:1:0:5efe:10.0.0.1
            2606:2800:220:1:200:5efe:127.0.0.1 2002:808:808:1:0:5efe:192.168.0.1";
        for address in special.split_whitespace().chain(tunnels.split_whitespace()) {
            assert!(!permits(&policy, address), "{address} is not public");
        }
    }

    #[test]
    fn addresses_of_an_allowed_network_are_permitted_also_as_ipv4_mapped_ipv6_addresses() {
        let networks = ["127.0.0.0/8", "::1/128", "fd00::/8"].map(|text| text.parse().unwrap());
        let policy = AddressPolicy::allowing(networks.to_vec());
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "fd00::7", "8.8.8.8"] {
            assert!(permits(&policy, address), "{address} must be permitted");
        }
        for address in
            ["10.0.0.1", "::2", "fc00::7", "::ffff:10.0.0.1", "2002:7f00:1::1", "64:ff9b::127.0.0.1"]
        {
            assert!(!permits(&policy, address), "{address} must be refused");
        }
    }

    #[test]
    fn the_platform_ip_address_of_azure_is_refused_in_every_ipv4_and_ipv6_notation() {
        let policy = AddressPolicy::public_only();
        for address in [
            "168.63.129.16",
            "::ffff:168.63.129.16",
            "64:ff9b::168.63.129.16",
            "2002:a83f:8110::1",
            "2606:2800:220:1:0:5efe:168.63.129.16",
        ] {
            assert_eq!(check(&policy, address, 80), Err(BlockedBy::Address), "{address}");
        }
        assert!(permits(&policy, "168.63.129.15") && permits(&policy, "168.63.129.17"));
        let allowing = AddressPolicy::allowing(vec!["168.63.129.16".parse().unwrap()]);
        assert!(permits(&allowing, "168.63.129.16"));
    }

    #[test]
    fn a_public_address_of_this_machine_is_refused_in_every_notation_unless_it_is_allowed() {
        let own = [ip("8.8.8.8"), ip("2606:4700::1")];
        let check =
            |policy: &AddressPolicy, address: &str| policy.check(SocketAddr::new(ip(address), 443), &own);
        let policy = AddressPolicy::public_only();
        for address in [
            "8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2606:2800:220:1:0:5efe:8.8.8.8",
            "2606:4700::1",
        ] {
            assert_eq!(check(&policy, address), Err(BlockedBy::OwnAddress), "{address}");
        }
        assert_eq!((check(&policy, "8.8.4.4"), check(&policy, "2606:4700::2")), (Ok(()), Ok(())));
        let allowing = AddressPolicy::allowing(vec!["8.8.8.8".parse().unwrap()]);
        assert_eq!((check(&allowing, "8.8.8.8"), check(&allowing, "::ffff:8.8.8.8")), (Ok(()), Ok(())));
    }

    #[test]
    fn addresses_of_a_denied_network_are_refused_in_every_notation_even_inside_an_allowed_network() {
        let policy = AddressPolicy {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            deny: vec!["10.9.0.0/16".parse().unwrap(), "8.8.8.8".parse().unwrap()],
            ..AddressPolicy::default()
        };
        for address in [
            "10.9.1.1",
            "::ffff:10.9.1.1",
            "8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(check(&policy, address, 443), Err(BlockedBy::Deny), "{address}");
        }
        assert!(permits(&policy, "10.8.1.1") && permits(&policy, "8.8.4.4"));
    }

    #[test]
    fn a_deny_rule_blocks_only_the_named_host_or_if_it_starts_with_a_dot_only_the_subdomains() {
        let policy = AddressPolicy {
            deny: vec!["internal.example".parse().unwrap(), ".corp.example".parse().unwrap()],
            ..AddressPolicy::default()
        };
        let check = |url: &str| {
            let url = url::Url::parse(url).unwrap();
            policy.check_host(&url.host().unwrap().to_owned())
        };
        for url in ["http://internal.example/", "http://INTERNAL.example./", "http://a.b.corp.example/"] {
            assert_eq!(check(url), Err(BlockedBy::Deny), "{url}");
        }
        for url in ["http://a.internal.example/", "http://corp.example/", "http://xcorp.example/"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn the_port_rules_apply_only_to_addresses_outside_the_allowed_networks() {
        let policy = AddressPolicy {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            ports: ["443", "1024-65535", "!6379"].map(|rule| rule.parse().unwrap()).into_iter().collect(),
            ..AddressPolicy::default()
        };
        for (address, port, expected) in [
            ("8.8.8.8", 443, Ok(())),
            ("8.8.8.8", 8443, Ok(())),
            ("8.8.8.8", 22, Err(BlockedBy::Port(22))),
            ("8.8.8.8", 6379, Err(BlockedBy::Port(6379))),
            ("::ffff:8.8.8.8", 6379, Err(BlockedBy::Port(6379))),
            ("10.0.0.1", 6379, Ok(())),
            ("127.0.0.1", 6379, Err(BlockedBy::Address)),
        ] {
            assert_eq!(check(&policy, address, port), expected, "{address} {port}");
        }
    }
}
