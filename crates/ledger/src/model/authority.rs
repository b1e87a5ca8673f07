//! The authority of a webhook: the host and port of its URL.

use std::fmt;
use std::str::FromStr;

use super::webhook::ParseError;

/// The host and port of a webhook's URL. The server limits and pauses the webhooks of an account separately
/// for each authority.
///
/// The text form is `host:port`. An IPv6 address is in brackets, as in a URL: `[2001:db8::1]:443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    text: String,
    host_len: usize,
}

impl Authority {
    /// Creates an authority from a host and a port. The host has the same form as in a URL, so an IPv6
    /// address is in brackets.
    pub fn new(host: &str, port: u16) -> Self {
        Self { text: format!("{host}:{port}"), host_len: host.len() }
    }

    /// Returns the host, with brackets around an IPv6 address.
    pub fn host(&self) -> &str {
        &self.text[..self.host_len]
    }

    /// Returns the text `host:port`, which the database stores.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Authority {
    type Err = ParseError;

    /// Parses `host:port`. The port is a decimal number up to 65535.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Authority {
    type Error = ParseError;

    /// Parses `host:port` like `from_str`, but takes ownership of the string and does not copy it.
    fn try_from(text: String) -> Result<Self, ParseError> {
        let (host, port) = text.rsplit_once(':').ok_or(ParseError)?;
        port.parse::<u16>().map_err(|_| ParseError)?;
        let host_len = host.len();
        Ok(Self { text, host_len })
    }
}

#[cfg(test)]
mod tests {
    use super::Authority;

    #[test]
    fn a_url_authority_written_as_text_and_parsed_again_equals_the_original() {
        for (host, port, text) in [
            ("receiver.example", 443, "receiver.example:443"),
            ("203.0.113.7", 80, "203.0.113.7:80"),
            ("[2001:db8::1]", 8443, "[2001:db8::1]:8443"),
        ] {
            let authority = Authority::new(host, port);
            assert_eq!(authority.to_string(), text);
            let parsed: Authority = text.parse().unwrap();
            assert_eq!((&parsed, parsed.host()), (&authority, host));
        }
    }

    #[test]
    fn parsing_a_url_authority_without_a_valid_port_fails() {
        for text in ["", "receiver.example", "receiver.example:", "receiver.example:65536", "[::1]"] {
            assert!(text.parse::<Authority>().is_err(), "{text}");
        }
    }
}
