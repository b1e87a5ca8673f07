//! `GET /dl/…`: downloads a processed image until the server deletes it. The URL contains a random id, so
//! that the download needs no API key.

use std::ops::Range;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pixaven_ledger::StoredResult;
use uuid::Uuid;

use super::ApiState;
use super::error::ApiError;
use super::response::ApiResponse;

/// The value of the header `Content-Security-Policy`, which prevents a script in an SVG result from running
/// with the origin of this server.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// How long the signed URL of a result in a bucket is valid.
const SIGNED_URL_VALID: Duration = Duration::from_secs(300);

type Segments = (String, String, String, String, String, String);

pub(super) async fn send(
    State(api): State<ApiState>,
    segments: Result<Path<Segments>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Path(segments)) = segments else {
        return ApiResponse::from(ApiError::not_found()).into_response();
    };
    let (a, b, c, d, rest, name) = segments;
    let may_redirect = api.shared.settings.presign;
    respond(&api, &format!("{a}{b}{c}{d}-{rest}"), &name, &headers, may_redirect)
        .await
        .unwrap_or_else(|error| ApiResponse::from(error).into_response())
}

/// `GET /cdn/{id}/{name}`: the same download for the CDN. The answer is never a redirect, because the CDN shall keep
/// the file.
pub(super) async fn send_to_cdn(
    State(api): State<ApiState>,
    segments: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let answer = match segments {
        Ok(Path((id, name))) if api.shared.pipeline.cdn_base_url.is_some() => {
            respond(&api, &id, &name, &headers, false).await
        }
        _ => Err(ApiError::not_found()),
    };
    answer.unwrap_or_else(|error| ApiResponse::from(error).into_response())
}

async fn respond(
    api: &ApiState,
    id: &str,
    name: &str,
    headers: &HeaderMap,
    may_redirect: bool,
) -> Result<Response, ApiError> {
    let id = Uuid::try_parse(id).map_err(|_| ApiError::not_found())?;
    let result = api.shared.ledger.result(id, name).await?.ok_or_else(ApiError::not_found)?;
    let etag = format!("\"{}\"", result.sha1);
    if matches_etag(headers, header::IF_NONE_MATCH, &etag) {
        let builder = Response::builder().status(StatusCode::NOT_MODIFIED);
        return with_result_headers(api, &result, &etag, builder, Body::empty());
    }
    if may_redirect
        && let Some(url) = api.shared.pipeline.blobs.signed_url(&result.content, SIGNED_URL_VALID).await?
    {
        return Response::builder()
            .status(StatusCode::FOUND)
            .header(header::LOCATION, url.as_str())
            .header(header::CACHE_CONTROL, "no-store")
            .body(Body::empty())
            .map_err(ApiError::internal);
    }
    // The `Range` header applies only if `If-Range` is absent or contains the entity tag of the file.
    let is_current =
        headers.get(header::IF_RANGE).is_none_or(|_| matches_etag(headers, header::IF_RANGE, &etag));
    let range = headers.get(header::RANGE).filter(|_| is_current).and_then(|range| range.to_str().ok());
    match range.map_or(RequestedRange::Whole, |range| parse_range(range, result.bytes)) {
        RequestedRange::Whole => {
            let body = body(api, &result, None).await?;
            let builder = Response::builder().header(header::CONTENT_LENGTH, result.bytes);
            with_result_headers(api, &result, &etag, builder, body)
        }
        RequestedRange::Part(range) => {
            let body = body(api, &result, Some(range.clone())).await?;
            let builder = Response::builder()
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_LENGTH, range.end - range.start)
                .header(
                    header::CONTENT_RANGE,
                    format!("bytes {}-{}/{}", range.start, range.end - 1, result.bytes),
                );
            with_result_headers(api, &result, &etag, builder, body)
        }
        RequestedRange::Unsatisfiable => {
            let builder = Response::builder()
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{}", result.bytes));
            with_result_headers(api, &result, &etag, builder, Body::empty())
        }
    }
}

async fn body(api: &ApiState, result: &StoredResult, range: Option<Range<u64>>) -> Result<Body, ApiError> {
    let stream = api.shared.pipeline.blobs.open(&result.content, range).await?;
    Ok(Body::from_stream(stream.ok_or_else(ApiError::not_found)?))
}

/// Builds a response with the headers that every response about an existing result has.
fn with_result_headers(
    api: &ApiState,
    result: &StoredResult,
    etag: &str,
    builder: http::response::Builder,
    body: Body,
) -> Result<Response, ApiError> {
    let remaining_s = (result.expires_ms - api.shared.pipeline.clock.now_ms()).max(0) / 1000;
    builder
        .header(header::CONTENT_TYPE, &result.media_type)
        .header(header::ETAG, etag)
        .header(header::CACHE_CONTROL, format!("public, max-age={remaining_s}, immutable"))
        .header(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))
        .header(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
        .header(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY))
        .body(body)
        .map_err(ApiError::internal)
}

/// Returns whether a header that lists entity tags, such as `If-None-Match`, contains `etag` or `*`. A weak
/// tag (`W/"…"`) matches, too.
fn matches_etag(headers: &HeaderMap, name: header::HeaderName, etag: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == etag)
}

/// The part of a file that a `Range` header requests.
#[derive(Debug, PartialEq, Eq)]
enum RequestedRange {
    /// The whole file. This is also the result for a `Range` header that cannot be parsed, because RFC 9110,
    /// section 14.2, allows a server to ignore such a header.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// The requested range lies outside the file.
    Unsatisfiable,
}

/// Parses the value of a `Range` header that requests a single byte range. If the header requests several
/// ranges, the result is the whole file, which RFC 9110 always allows.
fn parse_range(value: &str, n_bytes: u64) -> RequestedRange {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|spec| spec.trim().split_once('-'))
    else {
        return RequestedRange::Whole;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(n_bytes),
        (Ok(first), Err(_)) if last.is_empty() => first..n_bytes,
        (Err(_), Ok(suffix)) if first.is_empty() => n_bytes.saturating_sub(suffix)..n_bytes,
        _ => return RequestedRange::Whole,
    };
    if range.start < range.end { RequestedRange::Part(range) } else { RequestedRange::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_header_of_a_download_is_parsed_as_rfc_9110_requires() {
        for (value, expected) in [
            ("bytes=0-99", RequestedRange::Part(0..100)),
            ("bytes=900-", RequestedRange::Part(900..1000)),
            ("bytes=-10", RequestedRange::Part(990..1000)),
            ("bytes=-5000", RequestedRange::Part(0..1000)),
            ("bytes=990-5000", RequestedRange::Part(990..1000)),
            ("bytes=1000-", RequestedRange::Unsatisfiable),
            ("bytes=-0", RequestedRange::Unsatisfiable),
            ("bytes=9-3", RequestedRange::Whole),
            ("bytes=0-1,5-6", RequestedRange::Whole),
            ("lines=0-1", RequestedRange::Whole),
            ("bytes=a-b", RequestedRange::Whole),
        ] {
            assert_eq!(parse_range(value, 1000), expected, "{value}");
        }
    }
}
