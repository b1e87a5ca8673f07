//! The `Host` of a request: its validity, and the base URL of download links that follows from it.

use std::net::SocketAddr;
use std::sync::Once;

use http::{HeaderMap, Version, header};

use super::ApiSettings;
use super::error::{ApiError, ErrorKind};
use crate::runtime::host_syntax::is_valid;

/// Names of the hosts in download links without the setting `server.hosts`: this machine, and the hosts of
/// the original service.
const DEFAULT_HOSTS: [&str; 5] = ["localhost", "127.0.0.1", "[::1]", "api.pixaven.com", "dl.pixaven.com"];

/// Checks that a request has exactly one valid `Host`. HTTP/1.0 needs none.
///
/// # Errors
/// If `Host` is missing, double, empty or no host with an optional port.
pub(super) fn check_host(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut values = headers.get_all(header::HOST).iter();
    let problem = match (values.next(), values.next()) {
        (None, _) if version < Version::HTTP_11 => return Ok(()),
        (None, _) => "the header Host is missing",
        (Some(_), Some(_)) => "the header Host was sent twice",
        (Some(host), None) if host.to_str().is_ok_and(is_valid) => return Ok(()),
        (Some(_), None) => "the header Host must be a host name or an address, with an optional port",
    };
    Err(ApiError::new(ErrorKind::MalformedRequest, problem))
}

/// Makes the base URL of download links.
pub(super) struct LinkBase {
    public_url: Option<String>,
    scheme: &'static str,
    /// The host of links for a request whose `Host` is not allowed.
    fallback: String,
    /// The allowed hosts in lower case. `None`: every valid host is allowed.
    allowed: Option<Vec<String>>,
    warning: Once,
}

impl LinkBase {
    /// A listening address such as `0.0.0.0` is in no usable link. Without `public_url` and `hosts`, the
    /// server then has no other host than the `Host` of the request, so every valid one is allowed.
    pub(super) fn new(settings: &ApiSettings) -> Self {
        let address = settings.address;
        let is_unspecified = address.ip().is_unspecified();
        let first = settings.hosts.first().filter(|_| is_unspecified);
        let any_is_allowed = is_unspecified && settings.hosts.is_empty();
        if any_is_allowed && settings.public_url.is_none() {
            tracing::warn!(
                %address,
                "links to results begin with the Host of each request; set server.public_url or server.hosts"
            );
        }
        Self {
            public_url: settings.public_url.clone(),
            scheme: if settings.tls { "https" } else { "http" },
            fallback: first.cloned().unwrap_or_else(|| address.to_string()),
            allowed: (!any_is_allowed).then(|| allowed_hosts(&settings.hosts, address)),
            warning: Once::new(),
        }
    }

    /// The base URL of links in the answer to a request: the configured one, or the request's `Host` if it is
    /// allowed.
    pub(super) fn of_request(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_ascii_lowercase);
        let host = host.filter(|host| is_valid(host));
        let is_allowed = |host: &String| self.allowed.as_ref().is_none_or(|allowed| allowed.contains(host));
        let host = match host {
            Some(host) if is_allowed(&host) => host,
            Some(host) => {
                self.warning.call_once(|| {
                    let used = &self.fallback;
                    tracing::warn!(
                        host,
                        used,
                        "links do not begin with a Host that server.hosts does not contain"
                    );
                });
                self.fallback.clone()
            }
            None => self.fallback.clone(),
        };
        format!("{}://{host}", self.scheme)
    }
}

/// The listening address and the configured or default hosts. A host without a port is allowed alone and with
/// the port of the listening address.
fn allowed_hosts(hosts: &[String], address: SocketAddr) -> Vec<String> {
    let mut names: Vec<String> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    if names.is_empty() {
        names.extend(DEFAULT_HOSTS.map(str::to_owned));
    }
    let own = address.to_string();
    let own_name = own.rsplit_once(':').map_or(&*own, |(name, _)| name).to_owned();
    names.push(own_name);
    let has_port = |name: &str| !name.ends_with(']') && name.contains(':');
    let with_port: Vec<String> = names
        .iter()
        .filter(|name| !has_port(name))
        .map(|name| format!("{name}:{}", address.port()))
        .collect();
    names.extend(with_port);
    names
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn links(listen: &str, hosts: &[&str], public_url: Option<&str>, tls: bool) -> LinkBase {
        LinkBase::new(&ApiSettings {
            public_url: public_url.map(str::to_owned),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            tls,
            address: listen.parse().unwrap(),
            body_bytes: 0,
            json_bytes: 0,
            body_timeout: Duration::ZERO,
            limits: serde_json::Value::Null,
        })
    }

    fn link(links: &LinkBase, host: &str) -> String {
        links.of_request(&[(header::HOST, host.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn a_request_needs_one_valid_host() {
        let check = |version, hosts: &[&str]| {
            let headers = hosts.iter().map(|host| (header::HOST, host.parse().unwrap())).collect();
            check_host(version, &headers).map_err(|error| error.kind())
        };
        assert_eq!(check(Version::HTTP_11, &["h"]), Ok(()));
        assert_eq!(check(Version::HTTP_10, &[]), Ok(()));
        for hosts in [&[][..], &["h", "h"], &[""], &["a b"]] {
            assert_eq!(check(Version::HTTP_11, hosts), Err(ErrorKind::MalformedRequest), "{hosts:?}");
        }
    }

    #[test]
    fn links_begin_only_with_an_allowed_host() {
        let default = links("127.0.0.1:8080", &[], None, false);
        for allowed in [
            "127.0.0.1:8080",
            "localhost:8080",
            "localhost",
            "[::1]:8080",
            "api.pixaven.com",
            "dl.pixaven.com",
        ] {
            assert_eq!(link(&default, allowed), format!("http://{allowed}"));
        }
        assert_eq!(link(&default, "API.Pixaven.com"), "http://api.pixaven.com");
        for other in ["evil.example", "localhost:1", "api.pixaven.com.evil.example"] {
            assert_eq!(link(&default, other), "http://127.0.0.1:8080", "{other}");
        }
        let own = links("[::2]:8443", &["Images.example.com", "b.example:1"], None, true);
        for (host, expected) in [
            ("images.example.com", "https://images.example.com"),
            ("images.example.com:8443", "https://images.example.com:8443"),
            ("b.example:1", "https://b.example:1"),
            ("b.example", "https://[::2]:8443"),
            ("[::2]:8443", "https://[::2]:8443"),
            ("api.pixaven.com", "https://[::2]:8443"),
        ] {
            assert_eq!(link(&own, host), expected);
        }
        assert_eq!(link(&links("127.0.0.1:1", &[], Some("https://cdn/x"), false), "evil"), "https://cdn/x");
    }

    #[test]
    fn a_server_on_all_addresses_uses_the_host_or_the_first_configured_host() {
        assert_eq!(link(&links("0.0.0.0:80", &[], None, false), "any.example:81"), "http://any.example:81");
        let configured = links("[::]:80", &["a.example", "b.example"], None, false);
        assert_eq!(link(&configured, "b.example:80"), "http://b.example:80");
        assert_eq!(link(&configured, "evil.example"), "http://a.example");
    }
}
