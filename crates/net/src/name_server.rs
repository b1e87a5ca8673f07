//! One item of the setting `network.name_servers`: the address of a name server.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::Deserialize;

/// The port of a name server whose address names no port.
const DNS_PORT: u16 = 53;

/// The address of a name server: an IP address such as `10.0.0.2` or `fd00::2`, or an IP address with a port
/// such as `127.0.0.1:5353` or `[fd00::2]:5353`. Without a port, the port is 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NameServer(pub(crate) SocketAddr);

/// The error for a text that is not the address of a name server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not the address of a name server; accepted is an IP address such as `10.0.0.2` or `fd00::2`, or an IP address with a port such as `127.0.0.1:5353` or `[fd00::2]:5353`"
)]
pub struct InvalidNameServer {
    text: String,
}

impl FromStr for NameServer {
    type Err = InvalidNameServer;

    fn from_str(text: &str) -> Result<Self, InvalidNameServer> {
        let address = match text.parse::<IpAddr>() {
            Ok(ip) => Ok(SocketAddr::new(ip, DNS_PORT)),
            Err(_) => text.parse(),
        };
        match address {
            Ok(address) if address.port() != 0 => Ok(Self(address)),
            Ok(_) | Err(_) => Err(InvalidNameServer { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for NameServer {
    type Error = InvalidNameServer;

    fn try_from(text: String) -> Result<Self, InvalidNameServer> {
        text.parse()
    }
}

impl From<SocketAddr> for NameServer {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_for_a_name_server_accepts_an_ip_address_with_or_without_a_port() {
        for (text, expected) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("fd00::2", "[fd00::2]:53"),
            ("[fd00::2]:5353", "[fd00::2]:5353"),
        ] {
            assert_eq!(text.parse(), Ok(NameServer(expected.parse().unwrap())), "{text}");
        }
        for text in ["", "dns.example.com", "10.0.0.2:", "10.0.0.2:0", "[fd00::2]", "10.0.0.0/8"] {
            let error = text.parse::<NameServer>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not the address")), "{error}");
        }
    }
}
