//! Reads the body of a request, with limits on the size of the body and on the time that reading may take.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};

use super::ApiState;
use super::error::{ApiError, ErrorKind};

/// The most bytes of a refused request that are read and discarded. The body is read because many clients
/// read the answer only after they have sent the whole body.
const DRAIN_BYTES: usize = 64 << 20;
/// The longest time for which the body of a refused request is read.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Reads a whole body of at most `max_bytes`. The body does not count against the memory budget, so
/// `max_bytes` must be small.
pub(super) async fn read(
    chunks: &mut BodyDataStream,
    max_bytes: usize,
    timeout: Duration,
) -> Result<Bytes, ApiError> {
    let mut whole = BytesMut::new();
    let reading = async {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| cut_off().with_source(error))?;
            if whole.len() + chunk.len() > max_bytes {
                return Err(too_large("the request's JSON", max_bytes));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(())
    };
    tokio::time::timeout(timeout, reading).await.unwrap_or_else(|_| Err(too_slow(timeout)))?;
    Ok(whole.freeze())
}

/// Reads a body that must be a JSON object. An empty body counts as an empty object.
pub(super) async fn json(api: &ApiState, request: Request) -> Result<Map<String, Value>, ApiError> {
    let settings = &api.shared.settings;
    let mut chunks = request.into_body().into_data_stream();
    let bytes = match read(&mut chunks, settings.json_bytes, settings.body_timeout).await {
        Ok(bytes) => bytes,
        Err(error) => {
            drain(&mut chunks).await;
            return Err(error);
        }
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::new(ErrorKind::MalformedRequest, format!("the body must be a JSON object: {error}"))
    })
}

/// Reads and discards the remaining body of a refused request, up to `DRAIN_BYTES` and for at most
/// `DRAIN_TIME`.
pub(super) async fn drain(chunks: &mut BodyDataStream) {
    let mut n_bytes = 0;
    let reading = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            n_bytes += chunk.len();
            if n_bytes > DRAIN_BYTES {
                return;
            }
        }
    };
    // A timeout is no error: the request is answered anyway, but a client that still sends its body may not
    // read the answer.
    let _elapsed = tokio::time::timeout(DRAIN_TIME, reading).await;
}

pub(super) fn too_large(what: &str, max_bytes: usize) -> ApiError {
    ApiError::new(ErrorKind::BodyTooLarge, format!("{what} is limited to {max_bytes} bytes"))
}

pub(super) fn too_slow(timeout: Duration) -> ApiError {
    let seconds = timeout.as_secs();
    ApiError::new(ErrorKind::BodyTimeout, format!("the request's body did not arrive within {seconds} s"))
}

pub(super) fn cut_off() -> ApiError {
    ApiError::new(ErrorKind::MalformedRequest, "the request's body ended before it was complete")
}
