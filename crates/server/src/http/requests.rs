//! `GET /1.0/requests/{id}`: the result of an accepted request, for those whom no webhook can reach.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use pixaven_ledger::{WebhookRecord, WebhookStatus};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::Api;
use super::answer::Answer;
use super::auth::Caller;
use super::interventions::id_of;
use crate::error::{ApiError, Kind};
use crate::webhooks::history;

/// The longest a caller may wait, in seconds.
const MAX_WAIT_S: u64 = 60;
/// Callers who wait at the same time.
pub(super) const MAX_WAITING: usize = 512;

pub(super) async fn show(
    State(api): State<Api>,
    Caller(account): Caller,
    id: Result<Path<String>, PathRejection>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Answer, Answer> {
    let id = id_of(id)?;
    let wait = wait(&pairs)?;
    let ledger = &api.shared.ledger;
    let finishing = ledger.finishing(id);
    let ended = finishing.ended();
    let look = async || {
        let found = ledger.webhook(account.id, id).await.map_err(ApiError::from)?;
        found.ok_or_else(ApiError::not_found)
    };
    let record = look().await?;
    if record.status != WebhookStatus::Created || wait.is_zero() {
        return Ok(answer(&record));
    }
    let Ok(_waiting) = api.shared.waiting.try_acquire() else {
        return Err(ApiError::new(Kind::Overloaded, "too many callers wait already").into());
    };
    let stop = api.shared.tasks.stop_token();
    let either = async {
        tokio::select! {
            () = ended => {}
            () = stop.cancelled() => {}
        }
    };
    // Whether it ended or the time did is seen in what there is then.
    let _elapsed = timeout_at(Instant::now() + wait, either).await;
    Ok(answer(&look().await?))
}

fn wait(pairs: &[(String, String)]) -> Result<Duration, ApiError> {
    let Some((_, value)) = pairs.iter().rev().find(|(name, _)| name == "wait") else {
        return Ok(Duration::ZERO);
    };
    let seconds = value.trim().parse().ok().filter(|seconds| (0..=MAX_WAIT_S).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        ApiError::invalid(format!("wait must be an integer from 0 to {MAX_WAIT_S}, got {value}"))
    })
}

/// 202 while there is nothing yet; the same as the webhook's payload afterwards.
fn answer(record: &WebhookRecord) -> Answer {
    let id = record.id.to_string();
    match &record.payload {
        Some(payload) => {
            let request = json!({
                "id": id,
                "status": "finished",
                "result": history::payload(payload),
                "webhook": record.status.as_str(),
            });
            Answer::members(StatusCode::OK, &json!({ "request": request }))
        }
        None if record.status == WebhookStatus::Created => {
            let request = json!({ "id": id, "status": "processing", "webhook": record.status.as_str() });
            Answer::members(StatusCode::ACCEPTED, &json!({ "request": request }))
        }
        None => {
            let request = json!({ "id": id, "status": "cancelled", "webhook": record.status.as_str() });
            Answer::members(StatusCode::OK, &json!({ "request": request }))
        }
    }
}
