//! One rule of the setting `network.deny`: a network or a host name that the server never connects to.

use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;
use url::Host;

use crate::Network;

/// A network or a host name that the server never connects to.
///
/// The text of a rule has one of three forms. `10.9.0.0/16` is a network, `internal.example.com` is exactly
/// this host of a URL, and `.example.com` is every host whose name ends with this text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DenyRule(Denied);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Denied {
    Network(Network),
    /// A host name in lower case and in its ASCII form, without a dot at its end.
    Name(String),
    /// The end of the denied host names, with a dot as its first character.
    NamesBelow(String),
}

/// The error for a text that is not a valid rule of `network.deny`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is neither a network nor a host name; accepted is a network such as `10.1.0.0/16`, a host name such as `internal.example.com`, or the end of host names after a dot, such as `.example.com`"
)]
pub struct InvalidDenyRule {
    text: String,
}

impl DenyRule {
    /// Returns whether the rule is a network that contains the address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        matches!(&self.0, Denied::Network(network) if network.contains(address))
    }

    /// Returns whether the rule matches the host name of a parsed URL. A trailing dot of the host name is
    /// ignored.
    pub(crate) fn matches_name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        match &self.0 {
            Denied::Network(_) => false,
            Denied::Name(name) => host == name,
            Denied::NamesBelow(suffix) => host.ends_with(suffix.as_str()),
        }
    }
}

impl FromStr for DenyRule {
    type Err = InvalidDenyRule;

    fn from_str(text: &str) -> Result<Self, InvalidDenyRule> {
        if let Ok(network) = text.parse() {
            return Ok(Self(Denied::Network(network)));
        }
        let (is_suffix, name) = match text.strip_prefix('.') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let refuse = || InvalidDenyRule { text: text.to_owned() };
        let is_name_character =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || !c.is_ascii();
        // A rule such as `*.example.com` would match no host. The parser refuses such a rule, so that the
        // operator notices the mistake.
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_name_character) {
            return Err(refuse());
        }
        match Host::parse(name) {
            Ok(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                Ok(Self(if is_suffix {
                    Denied::NamesBelow(format!(".{name}"))
                } else {
                    Denied::Name(name.to_owned())
                }))
            }
            // A URL parser reads a host such as `0x7f.1` as an IP address. A rule with this text could never
            // match a host name, so the rule is refused.
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => Err(refuse()),
        }
    }
}

impl TryFrom<String> for DenyRule {
    type Error = InvalidDenyRule;

    fn try_from(text: String) -> Result<Self, InvalidDenyRule> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_of_a_deny_rule_accepts_only_ip_networks_and_host_names() {
        for (text, expected) in [
            ("10.1.0.0/16", Denied::Network("10.1.0.0/16".parse().unwrap())),
            ("::1", Denied::Network("::1".parse().unwrap())),
            ("Internal.Example.com.", Denied::Name("internal.example.com".to_owned())),
            ("b\u{fc}cher.example", Denied::Name("xn--bcher-kva.example".to_owned())),
            (".example.com", Denied::NamesBelow(".example.com".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(DenyRule(expected)), "{text}");
        }
        for text in ["", ".", "..a", "*.example.com", "http://a", "a:80", "0x7f.1", "10.0.0.1/8", "a b"] {
            let error = text.parse::<DenyRule>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{text}` is neither")) && error.contains(".example.com"),
                "{error}"
            );
        }
    }
}
