//! Downloads a whole document with GET. The size is limited while the bytes arrive. The address of every
//! redirect is checked like the address of the first request.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, LOCATION, RANGE, USER_AGENT};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, percent_encode};
use url::Url;

use crate::connection::Connection;
use crate::content_disposition;
use crate::content_encoding::BodyDecoder;
use crate::deadline::Deadline;
use crate::request::OutgoingRequest;
use crate::target::Target;
use crate::timings::ExchangeTrace;
use crate::{Net, NetError};

/// The largest buffer that is allocated before the first byte of a body arrives, in bytes. A larger
/// `Content-Length` does not raise this limit.
const MAX_INITIAL_BUFFER_BYTES: u64 = 1024 * 1024;

/// A percent-encoding set without ASCII characters. With this set, only the bytes that are not ASCII are
/// encoded.
const NON_ASCII: &AsciiSet = &AsciiSet::EMPTY;

/// The largest piece of a compressed body that is decoded at once, in bytes.
const DECODED_PIECE_BYTES: usize = 1024;

/// The limits of one fetch.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// The largest permitted size of the document, in bytes.
    pub max_bytes: u64,
    /// The time limit for the whole fetch, including redirects.
    pub deadline: Duration,
    /// The largest number of redirects that the fetch follows.
    pub max_redirects: u32,
}

/// A callback that reserves memory for the given number of body bytes before the fetch stores the bytes.
/// `false` means that the memory budget is used up, and the fetch ends with [`NetError::OutOfMemoryBudget`].
pub type ReserveBytes<'a> = dyn FnMut(usize) -> bool + Send + 'a;

/// A document that was downloaded completely.
#[derive(Debug)]
pub struct FetchedDocument {
    /// The bytes of the document.
    pub bytes: Bytes,
    /// The file name from the header `Content-Disposition`, or else the last segment of the URL's path. The
    /// name contains no directories and no control characters.
    pub file_name: Option<String>,
}

impl Net {
    /// Fetches the document at `url`.
    ///
    /// `headers` go only to the origin of `url`. A redirect to another origin receives neither `headers` nor
    /// the user name and password of `url`. The fetch calls `reserve` for each part of the body as it
    /// arrives.
    pub async fn fetch(
        &self,
        url: &Url,
        headers: HeaderMap,
        limits: FetchLimits,
        reserve: &mut ReserveBytes<'_>,
    ) -> Result<FetchedDocument, NetError> {
        let deadline = Deadline::after(limits.deadline);
        let mut trace = ExchangeTrace::default();
        let fetch = self.fetch_with_redirects(url, headers, limits, reserve, &deadline, &mut trace);
        match deadline.run(fetch).await {
            Some(result) => result,
            None => Err(self.inner.error_after_deadline(&deadline, &trace).await),
        }
    }

    async fn fetch_with_redirects(
        &self,
        url: &Url,
        mut headers: HeaderMap,
        limits: FetchLimits,
        reserve: &mut ReserveBytes<'_>,
        deadline: &Deadline,
        trace: &mut ExchangeTrace,
    ) -> Result<FetchedDocument, NetError> {
        let mut url = url.clone();
        for _hop in 0..=limits.max_redirects {
            let target = Target::new(&url)?;
            let request = OutgoingRequest {
                method: Method::GET,
                target: &target,
                headers: request_headers(&headers),
                body: Bytes::new(),
            };
            let (response, mut connection) = request.send(&self.inner, deadline, trace).await?;
            let (head, body) = response.into_parts();
            if let Some(next) = redirect_url(&url, &head)? {
                if next.origin() != url.origin() {
                    headers.clear();
                }
                url = next;
                continue;
            }
            if !head.status.is_success() {
                return Err(NetError::Status(head.status.as_u16()));
            }
            let bytes = read_all(&mut connection, body, &head.headers, limits.max_bytes, reserve).await?;
            self.inner.pool.put(&target.origin, connection);
            let file_name = content_disposition::find_file_name(&head.headers, &url);
            return Ok(FetchedDocument { bytes, file_name });
        }
        Err(NetError::TooManyRedirects { limit: limits.max_redirects })
    }
}

/// Returns the caller's headers together with the default headers of every fetch. `Range` is removed.
/// `Accept-Encoding: identity` refuses compression, because images are compressed already. If the server
/// compresses the response anyway, the fetch decodes the response.
fn request_headers(given: &HeaderMap) -> HeaderMap {
    const DEFAULTS: [(HeaderName, HeaderValue); 2] = [
        (ACCEPT, HeaderValue::from_static("image/*,*/*;q=0.5")),
        (USER_AGENT, HeaderValue::from_static("Pixaven/1.0 (+fetch)")),
    ];
    let mut headers = given.clone();
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
    headers.remove(RANGE);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// Returns the URL that the response redirects to, or `None` when the response is no redirect.
///
/// A redirect within the same origin keeps the user name and password of the old URL, unless the `Location`
/// header has a user name or a password.
fn redirect_url(url: &Url, head: &Parts) -> Result<Option<Url>, NetError> {
    if !matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let unusable = NetError::InvalidUrl("the host redirects to something that is no URL");
    let Some(location) = head.headers.get(LOCATION) else {
        return Err(NetError::Status(head.status.as_u16()));
    };
    // Percent-encoding keeps every raw byte of the `Location` header that is not ASCII, in UTF-8 as well as
    // in Latin-1. Browsers do the same.
    let location = percent_encode(location.as_bytes(), NON_ASCII).to_string();
    let Ok(mut next) = url.join(&location) else {
        return Err(unusable);
    };
    let has_no_credentials = next.username().is_empty() && next.password().is_none();
    if has_no_credentials && next.origin() == url.origin() {
        next.set_username(url.username()).expect("a URL with this origin has a host");
        next.set_password(url.password()).expect("a URL with this origin has a host");
    }
    Ok(Some(next))
}

/// Reads a whole body of at most `limit_bytes`, and reserves memory for each part of the body before storing
/// the part. A compressed body is decoded, and the limit applies to the decoded bytes.
async fn read_all(
    connection: &mut Connection,
    mut body: Incoming,
    headers: &HeaderMap,
    limit_bytes: u64,
    reserve: &mut ReserveBytes<'_>,
) -> Result<Bytes, NetError> {
    let content_length =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    if content_length > limit_bytes {
        return Err(NetError::TooLarge { limit_bytes });
    }
    let mut decoder = BodyDecoder::for_response(headers, limit_bytes)?;
    let initial_bytes = usize::try_from(content_length.min(MAX_INITIAL_BUFFER_BYTES)).unwrap_or(0);
    let mut bytes = BytesMut::with_capacity(initial_bytes);
    let mut keep = |data: &[u8]| {
        if (bytes.len() + data.len()) as u64 > limit_bytes {
            return Err(NetError::TooLarge { limit_bytes });
        }
        if !reserve(data.len()) {
            return Err(NetError::OutOfMemoryBudget);
        }
        bytes.extend_from_slice(data);
        Ok(())
    };
    while let Some(frame) = connection.next_frame(&mut body).await {
        let frame = frame.map_err(NetError::from_http)?;
        let Some(data) = frame.data_ref() else { continue };
        let Some(decoder) = &mut decoder else {
            keep(data)?;
            continue;
        };
        for piece in data.chunks(DECODED_PIECE_BYTES) {
            keep(&decoder.decode(piece)?)?;
            // Decoding takes much longer than copying, so the task yields after each piece and lets other
            // tasks run.
            tokio::task::yield_now().await;
        }
    }
    if let Some(decoder) = &mut decoder {
        keep(&decoder.finish()?)?;
    }
    Ok(bytes.freeze())
}
