//! `GET /1.0/requests/{id}`: returns the result of an accepted request. Clients that cannot receive a webhook
//! use this path.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use pixaven_ledger::{WebhookRecord, WebhookStatus};
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::ApiState;
use super::auth::Authenticated;
use super::error::{ApiError, ErrorKind};
use super::history::json::payload_json;
use super::history::query::got_integer;
use super::path::parse_id;
use super::response::ApiResponse;

/// The largest value of the parameter `wait`, in seconds.
const MAX_WAIT_S: u64 = 60;
/// How often a waiting request reads whether another node has ended the request.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// The most clients that may long-poll at the same time.
pub(super) const MAX_LONG_POLLS: usize = 512;

pub(super) async fn show(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    id: Result<Path<String>, PathRejection>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<ApiResponse, ApiResponse> {
    let id: Uuid = parse_id(id)?;
    let wait = parse_wait(&pairs)?;
    let ledger = &api.shared.ledger;
    let waiter = ledger.completion_of(id);
    let completed = waiter.completed();
    let read_record = async || {
        let found = ledger.webhook(account.id, id).await.map_err(ApiError::from)?;
        found.ok_or_else(ApiError::not_found)
    };
    let record = read_record().await?;
    if record.status != WebhookStatus::Created || wait.is_zero() {
        return Ok(respond(&record));
    }
    let Ok(_permit) = api.shared.long_polls.try_acquire() else {
        return Err(ApiError::new(ErrorKind::Overloaded, "too many callers wait already").into());
    };
    let stop = api.shared.tasks.stop_token();
    let completed_or_stopped = async {
        tokio::select! {
            () = completed => {}
            () = stop.cancelled() => {}
        }
    };
    let mut completed_or_stopped = std::pin::pin!(completed_or_stopped);
    let end = Instant::now() + wait;
    loop {
        // The server reads the record again even after a timeout, because another node may have ended the
        // request, and because the request may have ended just before the timeout.
        let at = end.min(Instant::now() + READ_INTERVAL);
        let is_over = timeout_at(at, &mut completed_or_stopped).await.is_ok() || at == end;
        let record = read_record().await?;
        if is_over || record.status != WebhookStatus::Created {
            return Ok(respond(&record));
        }
    }
}

fn parse_wait(pairs: &[(String, String)]) -> Result<Duration, ApiError> {
    let Some((_, value)) = pairs.iter().rev().find(|(name, _)| name == "wait") else {
        return Ok(Duration::ZERO);
    };
    let seconds = value.trim().parse().ok().filter(|seconds| (0..=MAX_WAIT_S).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        ApiError::invalid(format!("wait must be an integer from 0 to {MAX_WAIT_S}{}", got_integer(value)))
    })
}

/// Answers 202 while the request is processed, and afterwards 200 with the payload of the request's webhook.
fn respond(record: &WebhookRecord) -> ApiResponse {
    let id = record.id.to_string();
    match &record.payload {
        Some(payload) => {
            let request = json!({
                "id": id,
                "status": "finished",
                "result": payload_json(payload),
                "webhook": record.status.as_str(),
            });
            ApiResponse::members(StatusCode::OK, &json!({ "request": request }))
        }
        None if record.status == WebhookStatus::Created => {
            let request = json!({ "id": id, "status": "processing", "webhook": record.status.as_str() });
            ApiResponse::members(StatusCode::ACCEPTED, &json!({ "request": request }))
        }
        None => {
            let request = json!({ "id": id, "status": "cancelled", "webhook": record.status.as_str() });
            ApiResponse::members(StatusCode::OK, &json!({ "request": request }))
        }
    }
}
