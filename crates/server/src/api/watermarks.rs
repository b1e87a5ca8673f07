//! `POST` and `GET /1.0/watermarks`, `GET` and `DELETE /1.0/watermarks/{id}`: add, list, show and remove the
//! watermarks of an account.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, Request, State};
use http::StatusCode;
use pixaven_ledger::Watermark;
use pixaven_net::file_name;
use serde_json::{Value, json};

use super::auth::Authenticated;
use super::error::ApiError;
use super::history::query::got_integer;
use super::response::ApiResponse;
use super::timestamp::timestamp;
use super::{ApiState, admission, body, multipart};
use crate::work::watermark_id;

/// The largest number of watermarks in one page of the list if the request has no `limit`.
const DEFAULT_LIMIT: u32 = 50;
/// The largest `limit` that a list request may have.
const MAX_LIMIT: u32 = 100;

pub(super) async fn add(State(api): State<ApiState>, request: Request) -> Result<ApiResponse, ApiResponse> {
    let (head, body) = request.into_parts();
    let mut chunks = body.into_data_stream();
    let pipeline = &api.shared.pipeline;
    let received = async {
        let account = api.authenticate(&head.headers).await?.id;
        let limits = api.shared.settings.upload_limits();
        let ticket = admission::admit_upload(&api, &head.headers)?;
        let upload = multipart::read(&head.headers, &mut chunks, &limits, &pipeline.sources.memory).await?;
        Ok::<_, ApiError>((account, upload, ticket))
    };
    let (account, upload, ticket) = match received.await {
        Ok(received) => received,
        Err(error) => {
            body::drain(&mut chunks, &error).await;
            return Err(error.into());
        }
    };
    let name = upload.name.as_deref().and_then(file_name::clean);
    let added = pipeline.watermarks.add(&pipeline.sandbox, account, name, upload.file, &ticket);
    let added = added.await.map_err(ApiError::from)?;
    Ok(ApiResponse::members(StatusCode::OK, &json!({ "watermark": watermark_json(&added) })))
}

pub(super) async fn list(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<ApiResponse, ApiResponse> {
    let (offset, limit) = parse_page(&pairs).map_err(ApiError::invalid)?;
    let page = api.shared.ledger.watermarks(account.id, offset, limit).await.map_err(ApiError::from)?;
    let watermarks: Vec<_> = page.watermarks.iter().map(watermark_json).collect();
    Ok(ApiResponse::members(StatusCode::OK, &json!({ "total": page.total, "watermarks": watermarks })))
}

pub(super) async fn show(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    id: Result<Path<String>, PathRejection>,
) -> Result<ApiResponse, ApiResponse> {
    let id = parse_watermark_id(id)?;
    let found = api.shared.ledger.watermark(account.id, &id).await.map_err(ApiError::from)?;
    let watermark = found.ok_or_else(ApiError::not_found)?;
    Ok(ApiResponse::members(StatusCode::OK, &json!({ "watermark": watermark_json(&watermark) })))
}

pub(super) async fn remove(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    id: Result<Path<String>, PathRejection>,
) -> Result<ApiResponse, ApiResponse> {
    let id = parse_watermark_id(id)?;
    match api.shared.ledger.remove_watermark(account.id, &id).await.map_err(ApiError::from)? {
        true => Ok(ApiResponse::members(StatusCode::OK, &json!({}))),
        false => Err(ApiError::not_found().into()),
    }
}

fn parse_watermark_id(id: Result<Path<String>, PathRejection>) -> Result<String, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::not_found())?;
    if watermark_id::is_valid(&id) { Ok(id) } else { Err(ApiError::not_found()) }
}

fn watermark_json(watermark: &Watermark) -> Value {
    json!({
        "id": watermark.id,
        "name": watermark.name,
        "format": watermark.format,
        "width": watermark.width,
        "height": watermark.height,
        "bytes": watermark.bytes,
        "sha1": watermark.sha1,
        "created": timestamp(watermark.created_ms),
    })
}

/// Parses the parameters `offset` and `limit` in the query string of a list of watermarks. Unknown parameters
/// are ignored. If a parameter is repeated, its last value counts.
fn parse_page(pairs: &[(String, String)]) -> Result<(u64, u32), String> {
    let (mut offset, mut limit) = (0, DEFAULT_LIMIT);
    for (name, value) in pairs.iter().map(|(name, value)| (name.as_str(), value.trim())) {
        match name {
            "offset" if !value.is_empty() => {
                let parsed = value.parse().ok().filter(|offset| i64::try_from(*offset).is_ok());
                offset = parsed.ok_or_else(|| {
                    format!("offset must be an integer of at least 0{}", got_integer(value))
                })?;
            }
            "limit" if !value.is_empty() => {
                let parsed = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                limit = parsed.ok_or_else(|| {
                    format!("limit must be an integer from 1 to {MAX_LIMIT}{}", got_integer(value))
                })?;
            }
            _ => {}
        }
    }
    Ok((offset, limit))
}
