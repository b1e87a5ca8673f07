//! From a URL to what a connection and a request need: the origin, the request line, `Host`, the credentials.

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

use super::NetError;

/// Who is connected to. Connections are shared between requests of one origin only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) tls: bool,
    pub(super) host: Host<String>,
    pub(super) port: u16,
}

/// One URL, taken apart.
pub(super) struct Target {
    pub(super) origin: Origin,
    /// Path and query, as the request line wants them.
    pub(super) uri: Uri,
    pub(super) host_header: HeaderValue,
    /// From the URL's user name and password.
    pub(super) authorization: Option<HeaderValue>,
}

impl Target {
    pub(super) fn new(url: &Url) -> Result<Self, NetError> {
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(NetError::BadUrl("only http and https URLs can be used")),
        };
        let host = url.host().ok_or(NetError::BadUrl("the URL has no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or(NetError::BadUrl("the URL has no port"))?;
        let path_and_query = match url.query() {
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", url.path())),
            None => PathAndQuery::try_from(url.path()),
        };
        let uri = path_and_query.map_err(|_| NetError::BadUrl("the URL has an unusable path"))?;
        let host_header = match url.port() {
            Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
            None => HeaderValue::try_from(host.to_string()),
        };
        Ok(Self {
            origin: Origin { tls, host, port },
            uri: Uri::from(uri),
            host_header: host_header.map_err(|_| NetError::BadUrl("the URL has an unusable host"))?,
            authorization: credentials(url),
        })
    }

    /// Makes `headers` those of a request to this target. Whatever frames the message is ours to say, not the caller's.
    pub(super) fn complete(&self, headers: &mut HeaderMap) {
        const OURS: [HeaderName; 10] = [
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
        for name in OURS {
            headers.remove(name);
        }
        headers.insert(HOST, self.host_header.clone());
        if let Some(authorization) = &self.authorization {
            headers.insert(http::header::AUTHORIZATION, authorization.clone());
        }
    }
}

/// The URL's credentials as Basic authentication, percent-decoded.
fn credentials(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(basic(&pair))
}

/// `user:password` as Basic authentication (RFC 7617).
pub(super) fn basic(pair: &[u8]) -> HeaderValue {
    let text = format!("Basic {}", STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(text).expect("base64 is ASCII");
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
    fn urls_are_taken_apart() {
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
    fn credentials_become_basic_authentication() {
        for (url, expected) in [
            ("http://example.com/", None),
            ("http://Aladdin:open%20sesame@example.com/", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
            ("http://key@example.com/", Some("Basic a2V5Og==")),
            ("http://:word@example.com/", Some("Basic OndvcmQ=")),
            ("http://us%3Aer:p%40ss@example.com/", Some("Basic dXM6ZXI6cEBzcw==")),
        ] {
            let value = target(url).authorization;
            assert_eq!(value.as_ref().map(|value| value.to_str().unwrap()), expected, "{url}");
            assert!(value.is_none_or(|value| !format!("{value:?}").contains("Basic")), "never in a log");
        }
    }

    #[test]
    fn the_caller_cannot_frame_the_message() {
        let mut headers = HeaderMap::new();
        for name in ["host", "content-length", "transfer-encoding", "expect", "connection", "x-mine"] {
            headers.insert(name, HeaderValue::from_static("evil"));
        }
        target("http://example.com/").complete(&mut headers);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["host"], "example.com");
        assert_eq!(headers["x-mine"], "evil");
    }
}
