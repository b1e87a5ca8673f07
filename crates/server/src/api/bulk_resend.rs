//! `POST /1.0/webhooks/resend` starts the resend of all webhooks that match the given filters. Other paths
//! show the progress of a bulk resend and stop it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use pixaven_ledger::{AccountId, BulkResend, WebhookQuery};
use serde_json::{Map, Value, json};

use super::auth::Authenticated;
use super::error::ApiError;
use super::history::query::{MAX_RESEND_RATE, parse_resend_query};
use super::path::parse_id;
use super::response::ApiResponse;
use super::timestamp::timestamp;
use super::{ApiState, body};
use crate::work::request::type_name;

/// The names of the filters that a bulk resend accepts. The list `GET /1.0/webhooks` accepts the same
/// filters, and also parameters that select a page.
const FILTERS: [&str; 4] = ["status", "host", "start", "end"];

pub(super) async fn start(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    request: Request,
) -> Result<ApiResponse, ApiResponse> {
    let wanted = body::json(&api, request).await?;
    let query = query(account.id, &wanted)?;
    let rate = rate(wanted.get("rate"))?;
    let is_dry_run = match wanted.get("dry_run") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(other) => {
            return Err(ApiError::invalid(format!(
                "dry_run must be true or false, got {}",
                type_name(other)
            ))
            .into());
        }
    };
    let ledger = &api.shared.ledger;
    if is_dry_run {
        let total = ledger.count_webhooks(query).await.map_err(ApiError::from)?;
        return Ok(ApiResponse::members(StatusCode::OK, &json!({ "dry_run": true, "total": total })));
    }
    let bulk = ledger.start_bulk_resend(query, rate).await.map_err(ApiError::from)?;
    Ok(respond(StatusCode::ACCEPTED, &bulk))
}

pub(super) async fn show(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    seq: Result<Path<String>, PathRejection>,
) -> Result<ApiResponse, ApiResponse> {
    let found = api.shared.ledger.bulk_resend(account.id, parse_id(seq)?).await.map_err(ApiError::from)?;
    Ok(respond(StatusCode::OK, &found.ok_or_else(ApiError::not_found)?))
}

pub(super) async fn stop(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    seq: Result<Path<String>, PathRejection>,
) -> Result<ApiResponse, ApiResponse> {
    let stopped = api.shared.ledger.stop_bulk_resend(account.id, parse_id(seq)?).await;
    let stopped = stopped.map_err(ApiError::from)?.ok_or_else(ApiError::not_found)?;
    Ok(respond(StatusCode::OK, &stopped))
}

/// Parses the filters in the body of a request for a bulk resend.
fn query(account: AccountId, wanted: &Map<String, Value>) -> Result<WebhookQuery, ApiError> {
    let mut pairs = Vec::new();
    for name in FILTERS {
        match wanted.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => pairs.push((name.to_owned(), text.clone())),
            Some(other) => {
                return Err(ApiError::invalid(format!("{name} must be a text, got {}", type_name(other))));
            }
        }
    }
    let unknown = wanted
        .keys()
        .find(|name| !FILTERS.contains(&name.as_str()) && !["rate", "dry_run"].contains(&name.as_str()));
    if let Some(name) = unknown {
        // An unknown name is an error here, although other requests ignore unknown names, because a misspelt
        // filter would resend more webhooks than intended.
        return Err(ApiError::invalid(format!("{name} is not known here")));
    }
    parse_resend_query(account, &pairs).map_err(ApiError::invalid)
}

fn rate(value: Option<&Value>) -> Result<Option<u32>, ApiError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let rate = value.as_i64().filter(|rate| (1..=MAX_RESEND_RATE).contains(rate));
    rate.and_then(|rate| rate.try_into().ok()).map(Some).ok_or_else(|| {
        ApiError::invalid(format!(
            "rate must be an integer from 1 to {MAX_RESEND_RATE}, got {}",
            type_name(value)
        ))
    })
}

fn respond(status: StatusCode, bulk: &BulkResend) -> ApiResponse {
    let mut json = json!({
        "id": bulk.seq.to_string(),
        "status": if bulk.ended_ms.is_some() { "ended" } else { "running" },
        "created": timestamp(bulk.created_ms),
        "total": bulk.n_matched,
        "resent": bulk.n_resent,
        "skipped": bulk.n_skipped,
    });
    if let Some(ended_ms) = bulk.ended_ms {
        json["ended"] = json!(timestamp(ended_ms));
    }
    ApiResponse::members(status, &json!({ "resend": json }))
}
