//! `GET /dl/…`: a result, to anybody who knows its address, for as long as it is kept.

use std::ops::Range;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pixaven_ledger::StoredResult;
use uuid::Uuid;

use super::Api;
use super::answer::Answer;
use crate::error::ApiError;

/// A script in a picture must not run as this site's own.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

type Segments = (String, String, String, String, String, String);

pub(super) async fn send(
    State(api): State<Api>,
    segments: Result<Path<Segments>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Path(segments)) = segments else { return Answer::from(ApiError::not_found()).into_response() };
    respond(&api, &segments, &headers).await.unwrap_or_else(|error| Answer::from(error).into_response())
}

async fn respond(api: &Api, segments: &Segments, headers: &HeaderMap) -> Result<Response, ApiError> {
    let (a, b, c, d, rest, name) = segments;
    let id = Uuid::try_parse(&format!("{a}{b}{c}{d}-{rest}")).map_err(|_| ApiError::not_found())?;
    let found = api.shared.ledger.result(id, name).await?.ok_or_else(ApiError::not_found)?;
    let etag = format!("\"{}\"", found.sha1);
    if names_etag(headers, header::IF_NONE_MATCH, &etag) {
        return dressed(
            api,
            &found,
            &etag,
            Response::builder().status(StatusCode::NOT_MODIFIED),
            Body::empty(),
        );
    }
    // A range counts only for the file the client has a part of.
    let fresh = headers.get(header::IF_RANGE).is_none_or(|_| names_etag(headers, header::IF_RANGE, &etag));
    let asked = headers.get(header::RANGE).filter(|_| fresh).and_then(|range| range.to_str().ok());
    match asked.map_or(Asked::Whole, |range| parse_range(range, found.bytes)) {
        Asked::Whole => {
            let body = body(api, &found, None).await?;
            let builder = Response::builder().header(header::CONTENT_LENGTH, found.bytes);
            dressed(api, &found, &etag, builder, body)
        }
        Asked::Part(range) => {
            let body = body(api, &found, Some(range.clone())).await?;
            let builder = Response::builder()
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_LENGTH, range.end - range.start)
                .header(
                    header::CONTENT_RANGE,
                    format!("bytes {}-{}/{}", range.start, range.end - 1, found.bytes),
                );
            dressed(api, &found, &etag, builder, body)
        }
        Asked::Nothing => {
            let builder = Response::builder()
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{}", found.bytes));
            dressed(api, &found, &etag, builder, Body::empty())
        }
    }
}

async fn body(api: &Api, found: &StoredResult, range: Option<Range<u64>>) -> Result<Body, ApiError> {
    let download = api.shared.pipeline.blobs.open(&found.content, range).await?;
    Ok(Body::from_stream(download.ok_or_else(ApiError::not_found)?.body))
}

/// The headers all answers about a result have.
fn dressed(
    api: &Api,
    found: &StoredResult,
    etag: &str,
    builder: http::response::Builder,
    body: Body,
) -> Result<Response, ApiError> {
    let left_s = (found.expires_ms - api.shared.pipeline.clock.now_ms()).max(0) / 1000;
    builder
        .header(header::CONTENT_TYPE, &found.media_type)
        .header(header::ETAG, etag)
        .header(header::CACHE_CONTROL, format!("public, max-age={left_s}, immutable"))
        .header(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))
        .header(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
        .header(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY))
        .body(body)
        .map_err(ApiError::internal)
}

fn names_etag(headers: &HeaderMap, name: header::HeaderName, etag: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag
    })
}

/// What a `Range` header asks of a file.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// All of it, also when the header is not understood (RFC 9110, 14.2).
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes the file does not have.
    Nothing,
}

/// A single range of bytes; several at once are answered with the whole file, which is always allowed.
fn parse_range(value: &str, n_bytes: u64) -> Asked {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|spec| spec.trim().split_once('-'))
    else {
        return Asked::Whole;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(n_bytes),
        (Ok(first), Err(_)) if last.is_empty() => first..n_bytes,
        (Err(_), Ok(suffix)) if first.is_empty() => n_bytes.saturating_sub(suffix)..n_bytes,
        _ => return Asked::Whole,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_rfc_9110() {
        for (value, expected) in [
            ("bytes=0-99", Asked::Part(0..100)),
            ("bytes=900-", Asked::Part(900..1000)),
            ("bytes=-10", Asked::Part(990..1000)),
            ("bytes=-5000", Asked::Part(0..1000)),
            ("bytes=990-5000", Asked::Part(990..1000)),
            ("bytes=1000-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=9-3", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
        ] {
            assert_eq!(parse_range(value, 1000), expected, "{value}");
        }
    }
}
