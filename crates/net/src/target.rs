//! Splits a URL into the parts that a request needs: the origin, the path and query, the `Host` header, and
//! the credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::NetError;

/// The scheme, host and port of a URL. A pooled connection is reused only for requests to the same origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// Whether the connection uses TLS: `true` for https, `false` for http.
    pub(crate) tls: bool,
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
}

/// The parts of a URL that a request needs.
pub(crate) struct Target {
    pub(crate) origin: Origin,
    /// The path and query of the URL, for the request line.
    pub(crate) uri: Uri,
    pub(crate) host_header: HeaderValue,
    /// The value of the `Authorization` header: Basic authentication with the URL's user name and password.
    /// `None` when the URL has neither a user name nor a password.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Target {
    /// Splits `url`. Fails with [`NetError::InvalidUrl`] unless the URL is http or https and has a usable
    /// host and path.
    pub(crate) fn new(url: &Url) -> Result<Self, NetError> {
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(NetError::InvalidUrl("only http and https URLs can be used")),
        };
        let host = url.host().ok_or(NetError::InvalidUrl("the URL has no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or(NetError::InvalidUrl("the URL has no port"))?;
        let path_and_query = match url.query() {
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", url.path())),
            None => PathAndQuery::try_from(url.path()),
        };
        let uri = path_and_query.map_err(|_| NetError::InvalidUrl("the URL has an unusable path"))?;
        let host_header = match url.port() {
            Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
            None => HeaderValue::try_from(host.to_string()),
        };
        Ok(Self {
            origin: Origin { tls, host, port },
            uri: Uri::from(uri),
            host_header: host_header.map_err(|_| NetError::InvalidUrl("the URL has an unusable host"))?,
            authorization: url_authorization(url),
        })
    }

    /// Completes the caller's `headers` for a request to this target.
    ///
    /// Headers that control the connection or the length of the message are removed from `headers`, because
    /// only this crate sets such headers. Then the `Host` header and the credentials of the URL are added.
    pub(crate) fn finish_headers(&self, headers: &mut HeaderMap) {
        const RESERVED: [HeaderName; 10] = [
            CONNECTION,
            CONTENT_LENGTH,
            EXPECT,
            HOST,
            PROXY_AUTHENTICATE,
            PROXY_AUTHORIZATION,
            TE,
            TRAILER,
            TRANSFER_ENCODING,
            UPGRADE,
        ];
        for name in RESERVED {
            headers.remove(name);
        }
        headers.insert(HOST, self.host_header.clone());
        if let Some(authorization) = &self.authorization {
            headers.insert(http::header::AUTHORIZATION, authorization.clone());
        }
    }
}

/// Encodes the URL's user name and password as Basic authentication. The user name and the password are
/// percent-decoded first.
fn url_authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(basic_authorization(&pair))
}

/// Encodes `user:password` as Basic authentication (RFC 7617). The header value is marked as sensitive, so
/// that debug output does not show the value.
pub(crate) fn basic_authorization(pair: &[u8]) -> HeaderValue {
    let text = format!("Basic {}", STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(text).expect("base64 text is a valid header value");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::new(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn a_url_is_split_into_an_origin_a_path_and_a_host_header() {
        for (url, host_header, uri, tls, port) in [
            ("http://example.com", "example.com", "/", false, 80),
            ("https://example.com/a/b?c=d&e", "example.com", "/a/b?c=d&e", true, 443),
            ("https://example.com:443/", "example.com", "/", true, 443),
            ("http://example.com:8080/x#fragment", "example.com:8080", "/x", false, 8080),
            ("http://[2606:4700::1111]:81/?", "[2606:4700::1111]:81", "/?", false, 81),
            ("http://0x7f.1/", "127.0.0.1", "/", false, 80),
            ("http://user:word@example.com/a b|c", "example.com", "/a%20b|c", false, 80),
        ] {
            let target = target(url);
            assert_eq!(target.host_header, host_header, "{url}");
            assert_eq!(target.uri.to_string(), uri, "{url}");
            assert_eq!((target.origin.tls, target.origin.port), (tls, port), "{url}");
        }
    }

    #[test]
    fn the_user_name_and_password_of_a_url_become_basic_authentication() {
        for (url, expected) in [
            ("http://example.com/", None),
            ("http://Aladdin:open%20sesame@example.com/", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
            ("http://key@example.com/", Some("Basic a2V5Og==")),
            ("http://:word@example.com/", Some("Basic OndvcmQ=")),
            ("http://us%3Aer:p%40ss@example.com/", Some("Basic dXM6ZXI6cEBzcw==")),
        ] {
            let value = target(url).authorization;
            assert_eq!(value.as_ref().map(|value| value.to_str().unwrap()), expected, "{url}");
            assert!(
                value.is_none_or(|value| !format!("{value:?}").contains("Basic")),
                "the debug text must not contain the credentials"
            );
        }
    }

    #[test]
    fn headers_that_a_caller_adds_to_a_request_cannot_replace_host_content_length_and_connection() {
        let mut headers = HeaderMap::new();
        for name in ["host", "content-length", "transfer-encoding", "expect", "connection", "x-mine"] {
            headers.insert(name, HeaderValue::from_static("evil"));
        }
        target("http://example.com/").finish_headers(&mut headers);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["host"], "example.com");
        assert_eq!(headers["x-mine"], "evil");
    }
}
