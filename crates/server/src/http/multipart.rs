//! The body of an upload: the parts `file` and `data` in either order, as the official clients really send them,
//! `multipart/mixed`, empty file names and lengths of the parts' own included.

use std::time::Duration;

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use multer::{Field, Multipart};

use super::body::{cut_off, too_large, too_slow};
use crate::error::{ApiError, Kind};
use crate::sandbox::Reservation;

/// Parts of other names are read past; more of them than this is no upload.
const N_PARTS_MAX: usize = 16;

/// An upload as it arrived.
pub(super) struct Upload {
    /// The image.
    pub(super) file: Bytes,
    /// The image's file name, if one was sent.
    pub(super) name: Option<String>,
    /// The request's JSON; empty when there was none.
    pub(super) data: Bytes,
}

/// The caps of an upload.
pub(super) struct Caps {
    pub(super) file_bytes: usize,
    pub(super) data_bytes: usize,
    pub(super) timeout: Duration,
}

/// Reads an upload within its caps; the image's bytes are added to `reservation` as they arrive.
pub(super) async fn read(
    headers: &HeaderMap,
    chunks: &mut BodyDataStream,
    caps: &Caps,
    reservation: &mut Reservation,
) -> Result<Upload, ApiError> {
    let boundary = boundary(headers)?;
    let mut parts = Multipart::new(chunks, boundary);
    let reading = read_parts(&mut parts, caps, reservation);
    tokio::time::timeout(caps.timeout, reading).await.unwrap_or_else(|_| Err(too_slow(caps.timeout)))
}

async fn read_parts(
    parts: &mut Multipart<'_>,
    caps: &Caps,
    reservation: &mut Reservation,
) -> Result<Upload, ApiError> {
    let (mut file, mut name, mut data) = (None, None, Bytes::new());
    let mut n_parts = 0;
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        n_parts += 1;
        if n_parts > N_PARTS_MAX {
            let message = format!("the upload has more than {N_PARTS_MAX} parts");
            return Err(ApiError::new(Kind::MalformedRequest, message));
        }
        match part.name() {
            Some("file") if file.is_none() => {
                name = part.file_name().filter(|name| !name.is_empty()).map(str::to_owned);
                file = Some(read_part(part, "the image", caps.file_bytes, Some(&mut *reservation)).await?);
            }
            Some("data") if data.is_empty() => {
                data = read_part(part, "the part data", caps.data_bytes, None).await?;
            }
            Some(twice @ ("file" | "data")) => {
                return Err(ApiError::new(
                    Kind::MalformedRequest,
                    format!("the part {twice} was sent twice"),
                ));
            }
            _ => {
                read_part(part, "a part that is neither file nor data", caps.data_bytes, None).await?;
            }
        }
    }
    let file = file.ok_or_else(|| {
        ApiError::new(Kind::MalformedRequest, "the upload has no part named file, which holds the image")
    })?;
    Ok(Upload { file, name, data })
}

async fn read_part(
    mut part: Field<'_>,
    what: &str,
    max_bytes: usize,
    mut reservation: Option<&mut Reservation>,
) -> Result<Bytes, ApiError> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = part.chunk().await.map_err(malformed)? {
        if whole.len() + chunk.len() > max_bytes {
            return Err(too_large(what, max_bytes));
        }
        if let Some(reservation) = &mut reservation {
            reservation.grow(chunk.len())?;
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// The boundary of any multipart type: what counts is the parts' own `Content-Disposition`.
fn boundary(headers: &HeaderMap) -> Result<String, ApiError> {
    let no_multipart = || {
        let message = "an upload must be multipart/form-data with the parts file and data";
        ApiError::new(Kind::MalformedRequest, message)
    };
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type: mime::Mime = value.and_then(|value| value.parse().ok()).ok_or_else(no_multipart)?;
    let boundary = media_type.get_param(mime::BOUNDARY).filter(|_| media_type.type_() == mime::MULTIPART);
    Ok(boundary.ok_or_else(no_multipart)?.as_str().to_owned())
}

fn malformed(error: multer::Error) -> ApiError {
    match &error {
        multer::Error::StreamReadFailed(_) | multer::Error::IncompleteStream => cut_off().with_source(error),
        _ => ApiError::new(Kind::MalformedRequest, format!("the multipart body is malformed: {error}")),
    }
}
