//! Reads the body of a request, with limits on the size of the body and on the time that reading may take.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use pixaven_net::PieceLimit;
use serde_json::{Map, Value};
use tokio::task::coop::consume_budget;

use super::ApiState;
use super::error::{ApiError, ErrorKind};
use crate::work::request::{as_object, without_byte_order_mark};

/// The most bytes of the body of a refused request that the server reads and discards if the request has a
/// valid API key. The body is read because many clients read the answer only after they have sent the whole
/// body.
const DRAIN_BYTES: usize = 64 << 20;
/// The longest time for which the body of a refused request is read.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Reads the whole JSON of a request. The server's memory budget counts the JSON until it is dropped.
pub(super) async fn read(api: &ApiState, chunks: &mut BodyDataStream) -> Result<Bytes, ApiError> {
    let (max_bytes, timeout) = (api.shared.settings.json_bytes, api.shared.settings.body_timeout);
    let mut reservation = api.shared.pipeline.sources.memory.reserve();
    let mut whole = BytesMut::new();
    let mut pieces = PieceLimit::default();
    let reading = async {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| cut_off().with_source(error))?;
            pieces.count(chunk.len())?;
            if whole.len() + chunk.len() > max_bytes {
                return Err(too_large("the request's JSON", max_bytes, "limits.json_bytes"));
            }
            reservation.grow(chunk.len())?;
            whole.extend_from_slice(&chunk);
            consume_budget().await;
        }
        Ok(())
    };
    tokio::time::timeout(timeout, reading).await.unwrap_or_else(|_| Err(too_slow(timeout)))?;
    Ok(reservation.attach_to(whole.freeze()))
}

/// Reads a body that is a JSON object. An empty body and an empty JSON array count as an empty object, and a
/// byte-order mark is skipped.
pub(super) async fn json(api: &ApiState, request: Request) -> Result<Map<String, Value>, ApiError> {
    let mut chunks = request.into_body().into_data_stream();
    let bytes = match read(api, &mut chunks).await {
        Ok(bytes) => bytes,
        Err(error) => {
            drain(&mut chunks, &error).await;
            return Err(error);
        }
    };
    api.shared.pipeline.threads.run(bytes.len(), move || parse_object(&bytes)).await?
}

fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let bytes = without_byte_order_mark(bytes);
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let malformed = |detail: &str| {
        ApiError::new(ErrorKind::MalformedRequest, format!("the body must be a JSON object{detail}"))
    };
    let json: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&format!(": {error}")))?;
    as_object(&json).map(Cow::into_owned).ok_or_else(|| malformed(""))
}

/// Reads and discards the rest of a refused request's body, but at most [`DRAIN_BYTES`] and for at most
/// [`DRAIN_TIME`]. If the request has no valid API key, or if the server has too much to do, the function
/// reads nothing: the middleware then discards a much smaller part of the body.
pub(super) async fn drain(chunks: &mut BodyDataStream, error: &ApiError) {
    if matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Overloaded) {
        return;
    }
    let mut n_bytes = 0;
    let mut pieces = PieceLimit::default();
    let reading = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            n_bytes += chunk.len();
            if n_bytes > DRAIN_BYTES || pieces.count(chunk.len()).is_err() {
                return;
            }
            consume_budget().await;
        }
    };
    // A timeout is not an error: the server sends its answer although the client still sends the body. Such a
    // client may not read the answer.
    let _elapsed = tokio::time::timeout(DRAIN_TIME, reading).await;
}

/// Creates the error for a part of a request that is too long. `setting` is the name of the setting with the
/// limit.
pub(super) fn too_large(what: &str, max_bytes: usize, setting: &str) -> ApiError {
    let message = format!("{what} is limited to {max_bytes} bytes (the setting `{setting}`)");
    ApiError::new(ErrorKind::BodyTooLarge, message)
}

pub(super) fn too_slow(timeout: Duration) -> ApiError {
    let seconds = timeout.as_secs();
    ApiError::new(
        ErrorKind::BodyTimeout,
        format!(
            "the request's body did not arrive within {seconds} s (the setting `server.body_read_timeout_s`)"
        ),
    )
}

pub(super) fn cut_off() -> ApiError {
    ApiError::new(ErrorKind::MalformedRequest, "the request's body ended before it was complete")
}
