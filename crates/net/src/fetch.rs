//! GET of a whole document: capped while it arrives, redirects followed and judged hop by hop.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, LOCATION, RANGE, USER_AGENT};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::body::Incoming;
use tokio::time::timeout;
use url::Url;

use super::connection::Wire;
use super::content_disposition;
use super::exchange::Trace;
use super::request::Call;
use super::target::Target;
use super::{Net, NetError};

/// Room made before the first byte arrives, whatever length the answer claims.
const MAX_INITIAL_BUFFER_BYTES: u64 = 1024 * 1024;

/// What one fetch may cost.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Bytes of the document.
    pub max_bytes: u64,
    /// For everything, redirects included.
    pub deadline: Duration,
    /// Hops after the first request.
    pub max_redirects: u32,
}

/// Asked before bytes of a body are kept; `false` ends the fetch with [`NetError::NoRoom`].
pub type Room<'a> = dyn FnMut(usize) -> bool + Send + 'a;

/// A document.
#[derive(Debug)]
pub struct Fetched {
    /// All of it.
    pub bytes: Bytes,
    /// From `Content-Disposition`, or the last segment of the path; without directories and control characters.
    pub file_name: Option<String>,
}

impl Net {
    /// Fetches the document at `url`. `headers` go to the URL's own origin only; a redirect elsewhere leaves them, and
    /// the URL's credentials, behind. `room` is asked for every piece of the body as it arrives.
    pub async fn fetch(
        &self,
        url: &Url,
        headers: HeaderMap,
        limits: FetchLimits,
        room: &mut Room<'_>,
    ) -> Result<Fetched, NetError> {
        timeout(limits.deadline, self.follow(url, headers, limits, room))
            .await
            .map_err(|_| NetError::Timeout)?
    }

    async fn follow(
        &self,
        url: &Url,
        mut headers: HeaderMap,
        limits: FetchLimits,
        room: &mut Room<'_>,
    ) -> Result<Fetched, NetError> {
        let mut url = url.clone();
        for _hop in 0..=limits.max_redirects {
            let target = Target::new(&url)?;
            let call = Call {
                method: Method::GET,
                target: &target,
                headers: request_headers(&headers),
                body: Bytes::new(),
            };
            let (answer, mut wire) = call.send(&self.inner, &mut Trace::default()).await?;
            let (head, body) = answer.into_parts();
            if let Some(next) = redirection(&url, &head)? {
                if next.origin() != url.origin() {
                    headers.clear();
                }
                url = next;
                continue;
            }
            if !head.status.is_success() {
                return Err(NetError::Status(head.status.as_u16()));
            }
            let bytes = read_all(&mut wire, body, &head.headers, limits.max_bytes, room).await?;
            self.inner.pool.put(&target.origin, wire);
            return Ok(Fetched { bytes, file_name: content_disposition::of(&head.headers, &url) });
        }
        Err(NetError::TooManyRedirects { limit: limits.max_redirects })
    }
}

/// The caller's headers with what every fetch says of itself. A part of the document, or a compressed one, is no use.
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

/// Where the answer sends us, if it does. Within the origin the URL's credentials stay with us.
fn redirection(url: &Url, head: &Parts) -> Result<Option<Url>, NetError> {
    if !matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let unusable = NetError::BadUrl("the host redirects to something that is no URL");
    let Some(location) = head.headers.get(LOCATION) else {
        return Err(NetError::Status(head.status.as_u16()));
    };
    let Some(mut next) = location.to_str().ok().and_then(|location| url.join(location).ok()) else {
        return Err(unusable);
    };
    let anonymous = next.username().is_empty() && next.password().is_none();
    if anonymous && next.origin() == url.origin() {
        next.set_username(url.username()).expect("a URL with this origin has a host");
        next.set_password(url.password()).expect("a URL with this origin has a host");
    }
    Ok(Some(next))
}

async fn read_all(
    wire: &mut Wire,
    mut body: Incoming,
    headers: &HeaderMap,
    limit_bytes: u64,
    room: &mut Room<'_>,
) -> Result<Bytes, NetError> {
    let claimed =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    if claimed > limit_bytes {
        return Err(NetError::TooLarge { limit_bytes });
    }
    let initial_bytes = usize::try_from(claimed.min(MAX_INITIAL_BUFFER_BYTES)).unwrap_or(0);
    let mut bytes = BytesMut::with_capacity(initial_bytes);
    while let Some(frame) = wire.frame(&mut body).await {
        let frame = frame.map_err(NetError::from_http)?;
        let Some(data) = frame.data_ref() else { continue };
        if (bytes.len() + data.len()) as u64 > limit_bytes {
            return Err(NetError::TooLarge { limit_bytes });
        }
        if !room(data.len()) {
            return Err(NetError::NoRoom);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes.freeze())
}
