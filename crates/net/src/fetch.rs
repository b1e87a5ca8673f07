//! Downloads a whole document with GET. The size is limited while the bytes arrive. The address of every
//! redirect is checked like the address of the first request.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, LOCATION, RANGE, USER_AGENT};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, percent_encode};
use url::Url;

use crate::body::{self, BodyLimits, HoldBytes};
use crate::content_disposition;
use crate::deadline::Deadline;
use crate::request::OutgoingRequest;
use crate::target::Target;
use crate::timings::ExchangeTrace;
use crate::{Net, NetError};

/// A percent-encoding set without ASCII characters. With this set, only the bytes that are not ASCII are
/// encoded.
const NON_ASCII: &AsciiSet = &AsciiSet::EMPTY;

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
    /// the user name and password of `url`. The fetch calls `hold` whenever the number of bytes that it holds
    /// in memory changes.
    pub async fn fetch(
        &self,
        url: &Url,
        headers: HeaderMap,
        limits: FetchLimits,
        hold: &mut HoldBytes<'_>,
    ) -> Result<FetchedDocument, NetError> {
        let deadline = Deadline::after(limits.deadline);
        let mut trace = ExchangeTrace::default();
        let fetch = self.fetch_with_redirects(url, headers, limits, hold, &deadline, &mut trace);
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
        hold: &mut HoldBytes<'_>,
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
            let decoding = &self.inner.decoding;
            let limits = BodyLimits { max_bytes: limits.max_bytes, deadline, decoding };
            let bytes = body::read(&mut connection, body, &head.headers, limits, hold).await?;
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
