//! Which addresses this server may connect to: public unicast ones, and whatever networks the configuration names.
//!
//! Judged is the address about to be dialled, never a name; see `dial`. The tables follow the IANA special-purpose
//! address registries for IPv4 and IPv6 (RFC 6890 and its updates).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network in CIDR notation: `10.0.0.0/8`, `::1/128`. A bare address is the network of that one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IpNetwork {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a network: {problem}; accepted is an IPv4 or IPv6 address, with or without a prefix length, such as `10.1.0.0/16` or `::1/128`"
)]
pub struct NotANetwork {
    text: String,
    problem: &'static str,
}

impl IpNetwork {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(high: [u16; 3], prefix: u8) -> Self {
        let address = Ipv6Addr::new(high[0], high[1], high[2], 0, 0, 0, 0, 0);
        Self { address: IpAddr::V6(address), prefix }
    }

    /// Whether the address lies in the network. Families are never mixed.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    fn first_address(&self) -> IpAddr {
        let prefix = u32::from(self.prefix);
        match self.address {
            IpAddr::V4(own) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(own.to_bits() & mask))
            }
            IpAddr::V6(own) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(own.to_bits() & mask))
            }
        }
    }
}

impl FromStr for IpNetwork {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let refuse = |problem| NotANetwork { text: text.to_owned(), problem };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refuse("the address cannot be read"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits.parse().map_err(|_| refuse("the prefix length is not a number"))?,
        };
        if prefix > longest {
            return Err(refuse("the prefix length is longer than the address"));
        }
        // `10.1.2.3/8` is more often a slip than a wish, and which of its two readings was meant is not ours to guess.
        let network = Self { address, prefix };
        if network.first_address() != address {
            return Err(refuse("bits are set behind the prefix"));
        }
        Ok(network)
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl TryFrom<String> for IpNetwork {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<IpNetwork> for String {
    fn from(network: IpNetwork) -> Self {
        network.to_string()
    }
}

/// The judge of every address before it is dialled.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    /// Networks that may be connected to although they are not public.
    pub allow: Vec<IpNetwork>,
}

impl AddressPolicy {
    /// Public addresses only.
    pub fn public_only() -> Self {
        Self::default()
    }

    /// Public addresses, and those in the networks named.
    pub fn allowing(allow: Vec<IpNetwork>) -> Self {
        Self { allow }
    }

    /// Whether a connection to `address` may be opened.
    pub fn permits(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        let named = |candidate| self.allow.iter().any(|network| network.contains(candidate));
        named(address) || named(plain) || is_public(plain)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IPv4 networks that are not the public unicast Internet.
const SPECIAL_V4: [IpNetwork; 15] = [
    IpNetwork::v4(0, 0, 0, 0, 8),       // this network, and the unspecified address
    IpNetwork::v4(10, 0, 0, 0, 8),      // private
    IpNetwork::v4(100, 64, 0, 0, 10),   // carrier-grade NAT
    IpNetwork::v4(127, 0, 0, 0, 8),     // loopback
    IpNetwork::v4(169, 254, 0, 0, 16),  // link-local, the clouds' metadata services among them
    IpNetwork::v4(172, 16, 0, 0, 12),   // private
    IpNetwork::v4(192, 0, 0, 0, 24),    // protocol assignments
    IpNetwork::v4(192, 0, 2, 0, 24),    // documentation
    IpNetwork::v4(192, 88, 99, 0, 24),  // former 6to4 relays
    IpNetwork::v4(192, 168, 0, 0, 16),  // private
    IpNetwork::v4(198, 18, 0, 0, 15),   // benchmarking
    IpNetwork::v4(198, 51, 100, 0, 24), // documentation
    IpNetwork::v4(203, 0, 113, 0, 24),  // documentation
    IpNetwork::v4(224, 0, 0, 0, 4),     // multicast
    IpNetwork::v4(240, 0, 0, 0, 4),     // reserved, and broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|network| network.contains(IpAddr::V4(address)))
}

/// The only part of IPv6 handed out as global unicast. Everything outside is loopback, link-local, site-local, unique
/// local, multicast, discard-only, segment routing, or not assigned at all.
const GLOBAL_UNICAST_V6: IpNetwork = IpNetwork::v6([0x2000, 0, 0], 3);

/// Networks inside global unicast that are special all the same.
const SPECIAL_V6: [IpNetwork; 3] = [
    IpNetwork::v6([0x2001, 0, 0], 23), // protocol assignments: benchmarking, ORCHID, …
    IpNetwork::v6([0x2001, 0x0db8, 0], 32), // documentation
    IpNetwork::v6([0x3fff, 0, 0], 20), // documentation
];

const NAT64: IpNetwork = IpNetwork::v6([0x0064, 0xff9b, 0], 96);
const TEREDO: IpNetwork = IpNetwork::v6([0x2001, 0, 0], 32);
const SIX_TO_FOUR: IpNetwork = IpNetwork::v6([0x2002, 0, 0], 16);

/// Addresses that tunnel to an IPv4 address are as public as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let any = IpAddr::V6(address);
    let [_, a, b, c, .., y, z] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    if NAT64.contains(any) {
        is_public_v4(v4(y, z))
    } else if SIX_TO_FOUR.contains(any) {
        is_public_v4(v4(a, b))
    } else if TEREDO.contains(any) {
        // Server in clear, client with all bits inverted (RFC 4380, section 4).
        is_public_v4(v4(b, c)) && is_public_v4(v4(!y, !z))
    } else {
        GLOBAL_UNICAST_V6.contains(any) && !SPECIAL_V6.iter().any(|network| network.contains(any))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_unicast_is_permitted() {
        let policy = AddressPolicy::public_only();
        let public = "
            1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
            128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255
            192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
            198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
            2606:4700:4700::1111 2001:4860:4860::8888 2001:200::1 2a00:1450::1 3ffe::1";
        // Tunnels to a public IPv4 address.
        let tunnels = "
            ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2001:0:808:808::f7f7:f7f7";
        for address in public.split_whitespace().chain(tunnels.split_whitespace()) {
            assert!(policy.permits(ip(address)), "{address} is public");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let policy = AddressPolicy::public_only();
        let special = "
            0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1
            127.255.255.255 169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.0
            192.0.0.171 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0
            198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1
            255.255.255.255 :: ::1 ::2 ::7f00:1 ::8.8.8.8 100::1 1fff:ffff:: 2001:2::1
            2001:10::1 2001:20::1 2001:1ff:ffff::1 2001:db8::1 3fff::1 4000:: 5f00::1 fc00::1
            fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1 64:ff9b:1::1";
        // Every way of writing or tunnelling to an IPv4 address that is not public.
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
    fn named_networks_are_permitted_in_every_notation() {
        let networks = ["127.0.0.0/8", "::1/128", "fd00::/8"].map(|text| text.parse().unwrap());
        let policy = AddressPolicy::allowing(networks.to_vec());
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "fd00::7", "8.8.8.8"] {
            assert!(policy.permits(ip(address)), "{address} is named");
        }
        for address in
            ["10.0.0.1", "::2", "fc00::7", "::ffff:10.0.0.1", "2002:7f00:1::1", "64:ff9b::127.0.0.1"]
        {
            assert!(!policy.permits(ip(address)), "{address} is not named");
        }
    }

    #[test]
    fn networks_read_and_print() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "fd00::/8", "::1/128"] {
            assert_eq!(text.parse::<IpNetwork>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3".parse::<IpNetwork>().unwrap().to_string(), "10.1.2.3/32");
        assert!("0.0.0.0/0".parse::<IpNetwork>().unwrap().contains(ip("203.0.113.9")));
        assert!("::/0".parse::<IpNetwork>().unwrap().contains(ip("ffff::")));
        for (text, problem) in [
            ("localhost", "the address cannot be read"),
            ("", "the address cannot be read"),
            ("10.0.0.0/33", "the prefix length is longer than the address"),
            ("::/129", "the prefix length is longer than the address"),
            ("10.0.0.0/", "the prefix length is not a number"),
            ("10.0.0.0/-1", "the prefix length is not a number"),
            ("10.0.0.1/8", "bits are set behind the prefix"),
        ] {
            let error = text.parse::<IpNetwork>().unwrap_err();
            assert_eq!(error.problem, problem, "{text}");
            assert!(error.to_string().contains("10.1.0.0/16"), "the message says what is accepted");
        }
    }
}
