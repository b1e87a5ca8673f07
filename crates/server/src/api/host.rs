//! Checks the header `Host` of a request, and derives the base URL of download links from this header.

use std::net::SocketAddr;
use std::sync::Once;

use http::{HeaderMap, Version, header};

use super::ApiSettings;
use super::error::{ApiError, ErrorKind};
use crate::runtime::host_syntax::is_valid;

/// The hosts that download links may name if the setting `server.hosts` is not set: this machine, and the
/// hosts of the original Pixaven service.
const DEFAULT_HOSTS: [&str; 5] = ["localhost", "127.0.0.1", "[::1]", "api.pixaven.com", "dl.pixaven.com"];

/// Checks that a request has exactly one valid `Host` header. A request of HTTP/1.0 needs no `Host` header.
///
/// # Errors
/// The function fails if the header is missing, is sent twice, is empty, or is not a host with an optional
/// port.
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

/// Builds the base URL of download links.
pub(super) struct LinkBase {
    public_url: Option<String>,
    scheme: &'static str,
    /// The host that download links name if the `Host` header of the request is not allowed.
    fallback: String,
    /// The hosts, in lower case, that download links may name. `None` means that they may name every valid
    /// host.
    allowed: Option<Vec<String>>,
    warning: Once,
}

impl LinkBase {
    /// If the server listens on an unspecified address such as `0.0.0.0`, a link cannot contain this address.
    /// If neither `public_url` nor `hosts` is set, the only other source is the `Host` header of the request,
    /// so that every valid host is allowed.
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

    /// Returns the base URL of the links in the answer to a request: the configured `public_url`, or the
    /// `Host` header of the request if this host is allowed.
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

/// Returns the hosts that download links may name: the listening address, and the configured or the default
/// hosts. A host that is configured without a port is allowed without a port, and with the port of the
/// listening address.
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
            missing_walls: Vec::new(),
            body_bytes: 0,
            json_bytes: 0,
            body_timeout: Duration::ZERO,
            presign: false,
            limits: serde_json::Value::Null,
        })
    }

    fn link(links: &LinkBase, host: &str) -> String {
        links.of_request(&[(header::HOST, host.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn a_request_without_exactly_one_valid_host_header_is_refused() {
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
    fn a_download_url_contains_the_host_header_of_the_request_only_if_this_host_is_allowed() {
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
    fn a_server_that_listens_on_all_addresses_builds_urls_with_the_host_header_or_a_configured_host() {
        assert_eq!(link(&links("0.0.0.0:80", &[], None, false), "any.example:81"), "http://any.example:81");
        let configured = links("[::]:80", &["a.example", "b.example"], None, false);
        assert_eq!(link(&configured, "b.example:80"), "http://b.example:80");
        assert_eq!(link(&configured, "evil.example"), "http://a.example");
    }
}
