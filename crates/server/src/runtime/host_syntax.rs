//! Checks the syntax of a host with an optional port, as in the HTTP header `Host`. The accepted syntax is
//! stricter than RFC 3986: a name has only letters, digits, hyphens, dots and underscores.

use std::net::Ipv6Addr;

/// Returns whether a text is a host name or an IP address, with an optional port.
pub fn is_valid(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').map(|rest| rest.split_once(']')) {
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
        Some(Some((address, rest))) => {
            let port = rest.strip_prefix(':');
            let is_address = address.parse::<Ipv6Addr>().is_ok() && (rest.is_empty() || port.is_some());
            return is_address && port.is_none_or(is_port);
        }
        Some(None) => return false,
    };
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.len() <= 255 && name.bytes().all(is_name_byte) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_host_is_a_host_name_or_an_ip_address_with_or_without_a_port() {
        for valid in ["a", "a.b-c_d:80", "127.0.0.1:8080", "[::1]", "[::1]:443", "API.pixaven.com"] {
            assert!(is_valid(valid), "{valid}");
        }
        for invalid in [
            "", ":80", "a b", "a/b", "u@h", "a:", "a:b", "a:70000", "a:+1", "::1", "[::1", "[]", "[a]",
            "[::1]x", "h?", "h#", "a,b",
        ] {
            assert!(!is_valid(invalid), "{invalid}");
        }
    }
}
