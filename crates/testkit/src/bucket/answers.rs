//! The parts of the answers of a bucket.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::FakeObject;

/// Answers a download of an object, or of the range that the request names.
pub(super) fn download(object: &FakeObject, request: &Parts) -> Response<Full<Bytes>> {
    let range = request.headers.get("range").or_else(|| request.headers.get("x-ms-range"));
    let range = range.and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let n_bytes = object.bytes.len();
    let (status, part, content_range) = match range {
        None => (StatusCode::OK, object.bytes.clone(), None),
        Some((first, last)) => {
            let first: usize = first.parse().unwrap_or(0);
            let end = last.parse::<usize>().map_or(n_bytes, |last| n_bytes.min(last + 1));
            let content_range = format!("bytes {first}-{}/{n_bytes}", end - 1);
            (StatusCode::PARTIAL_CONTENT, object.bytes.slice(first..end), Some(content_range))
        }
    };
    let mut response = respond(status, part);
    response = with_header(response, "etag", "\"1\"");
    response = with_header(response, "last-modified", &httpdate::fmt_http_date(object.modified));
    match content_range {
        Some(content_range) => with_header(response, "content-range", &content_range),
        None => response,
    }
}

pub(super) fn respond(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

pub(super) fn with_header(
    mut response: Response<Full<Bytes>>,
    name: &'static str,
    value: &str,
) -> Response<Full<Bytes>> {
    let value = HeaderValue::from_str(value).expect("the values of a test server are valid");
    response.headers_mut().insert(name, value);
    response
}

pub(super) fn error(status: u16, code: &str) -> Response<Full<Bytes>> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>told by the provider</Message></Error>"
    );
    let status = StatusCode::from_u16(status).expect("a test names a valid status");
    with_header(respond(status, body.into()), "content-type", "application/xml")
}

/// Decodes the percent-encoded bytes of a path.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code.filter(|_| first == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).expect("the keys of tests are UTF-8")
}
