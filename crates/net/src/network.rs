//! An IP network in the CIDR notation that the configuration uses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// An IPv4 or IPv6 network in CIDR notation, such as `10.0.0.0/8` or `::1/128`.
///
/// An address without a prefix length means the network of this single address. A network whose address has
/// bits set after the prefix is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// The error for a text that is not a valid network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a network: {problem}; accepted is an IPv4 or IPv6 address, with or without a prefix length, such as `10.1.0.0/16` or `::1/128`"
)]
pub struct InvalidNetwork {
    text: String,
    problem: &'static str,
}

impl Network {
    /// Creates an IPv4 network in a constant. Panics when `prefix_len` is above 32.
    pub(crate) const fn v4(a: u8, b: u8, c: u8, d: u8, prefix_len: u8) -> Self {
        Self(IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix_len))
    }

    /// Creates an IPv6 network in a constant, from the first three segments of the address. Panics when
    /// `prefix_len` is above 128.
    pub(crate) const fn v6([a, b, c]: [u16; 3], prefix_len: u8) -> Self {
        Self(IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix_len))
    }

    /// Returns whether the network contains the address. An IPv4 network contains no IPv6 address, and an
    /// IPv6 network contains no IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let refuse = |problem| InvalidNetwork { text: text.to_owned(), problem };
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, prefix_len)) => (address, Some(prefix_len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refuse("the address cannot be read"))?;
        let network = match prefix_len {
            None => IpNet::from(address),
            Some(digits) => {
                let prefix_len = digits.parse().map_err(|_| refuse("the prefix length is not a number"))?;
                IpNet::new(address, prefix_len)
                    .map_err(|_| refuse("the prefix length is longer than the address"))?
            }
        };
        // A text such as `10.1.2.3/8` is refused, because it is usually a typing error: the text does not say
        // whether the whole network or the single address is meant.
        if network.network() != address {
            return Err(refuse("bits are set behind the prefix"));
        }
        Ok(Self(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_parsed_ip_network_is_printed_unchanged_and_an_invalid_network_gives_a_specific_error() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "fd00::/8", "::1/128"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3".parse::<Network>().unwrap().to_string(), "10.1.2.3/32");
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(ip("203.0.113.9")));
        assert!("::/0".parse::<Network>().unwrap().contains(ip("ffff::")));
        for (text, problem) in [
            ("localhost", "the address cannot be read"),
            ("", "the address cannot be read"),
            ("10.0.0.0/33", "the prefix length is longer than the address"),
            ("::/129", "the prefix length is longer than the address"),
            ("10.0.0.0/", "the prefix length is not a number"),
            ("10.0.0.0/-1", "the prefix length is not a number"),
            ("10.0.0.1/8", "bits are set behind the prefix"),
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert_eq!(error.problem, problem, "{text}");
            assert!(error.to_string().contains("10.1.0.0/16"), "the message says what is accepted");
        }
    }

    #[test]
    fn an_ip_network_contains_exactly_the_addresses_of_its_ip_version_with_its_prefix() {
        for (network, first, last, before, after) in [
            ("10.1.0.0/16", "10.1.0.0", "10.1.255.255", "10.0.255.255", "10.2.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.3", "10.1.2.2", "10.1.2.4"),
            ("fd00::/8", "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fcff::", "fe00::"),
            ("::1/128", "::1", "::1", "::", "::2"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(ip(first)) && parsed.contains(ip(last)), "{network}");
            assert!(!parsed.contains(ip(before)) && !parsed.contains(ip(after)), "{network}");
        }
        assert!(!"0.0.0.0/0".parse::<Network>().unwrap().contains(ip("::1")));
        assert!(!"::/0".parse::<Network>().unwrap().contains(ip("127.0.0.1")));
    }
}
