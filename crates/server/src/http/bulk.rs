//! `POST /1.0/webhooks/resend`: many webhooks sent again, by the filters of a list; how far that is, and its end.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use pixaven_ledger::{AccountId, BulkResend, WebhookQuery};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::auth::Caller;
use super::{Api, body};
use crate::error::ApiError;
use crate::webhooks::history::{self, MAX_RESEND_RATE, timestamp};

/// The filters of a list that say which webhooks are meant; the others say how a list is shown.
const FILTERS: [&str; 4] = ["status", "host", "start", "end"];

pub(super) async fn start(
    State(api): State<Api>,
    Caller(account): Caller,
    request: Request,
) -> Result<Answer, Answer> {
    let wanted = body::json(&api, request).await?;
    let query = query(account.id, &wanted)?;
    let rate = rate(wanted.get("rate"))?;
    let is_trial = match wanted.get("dry_run") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(other) => {
            return Err(ApiError::invalid(format!("dry_run must be true or false, got {other}")).into());
        }
    };
    let ledger = &api.shared.ledger;
    if is_trial {
        let total = ledger.count_webhooks(query).await.map_err(ApiError::from)?;
        return Ok(Answer::members(StatusCode::OK, &json!({ "dry_run": true, "total": total })));
    }
    let bulk = ledger.start_bulk_resend(query, rate).await.map_err(ApiError::from)?;
    Ok(answer(StatusCode::ACCEPTED, &bulk))
}

pub(super) async fn show(
    State(api): State<Api>,
    Caller(account): Caller,
    no: Result<Path<String>, PathRejection>,
) -> Result<Answer, Answer> {
    let found = api.shared.ledger.bulk_resend(account.id, number_of(no)?).await.map_err(ApiError::from)?;
    Ok(answer(StatusCode::OK, &found.ok_or_else(ApiError::not_found)?))
}

pub(super) async fn stop(
    State(api): State<Api>,
    Caller(account): Caller,
    no: Result<Path<String>, PathRejection>,
) -> Result<Answer, Answer> {
    let stopped = api.shared.ledger.stop_bulk_resend(account.id, number_of(no)?).await;
    let stopped = stopped.map_err(ApiError::from)?.ok_or_else(ApiError::not_found)?;
    Ok(answer(StatusCode::OK, &stopped))
}

fn number_of(no: Result<Path<String>, PathRejection>) -> Result<i64, ApiError> {
    let Path(no) = no.map_err(|_| ApiError::not_found())?;
    no.parse().map_err(|_| ApiError::not_found())
}

/// The filters as a list takes them; failed webhooks are meant when no status is named.
fn query(account: AccountId, wanted: &Map<String, Value>) -> Result<WebhookQuery, ApiError> {
    let mut pairs = Vec::new();
    for name in FILTERS {
        match wanted.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => pairs.push((name.to_owned(), text.clone())),
            Some(other) => {
                return Err(ApiError::invalid(format!("{name} must be a text, got {other}")));
            }
        }
    }
    let unknown = wanted
        .keys()
        .find(|name| !FILTERS.contains(&name.as_str()) && !["rate", "dry_run"].contains(&name.as_str()));
    if let Some(name) = unknown {
        // A filter that is misspelt would send more than is meant.
        return Err(ApiError::invalid(format!("{name} is not known here")));
    }
    history::parse_resend_query(account, &pairs).map_err(ApiError::invalid)
}

fn rate(value: Option<&Value>) -> Result<Option<u32>, ApiError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let rate = value.as_i64().filter(|rate| (1..=MAX_RESEND_RATE).contains(rate));
    rate.and_then(|rate| rate.try_into().ok()).map(Some).ok_or_else(|| {
        ApiError::invalid(format!("rate must be an integer from 1 to {MAX_RESEND_RATE}, got {value}"))
    })
}

fn answer(status: StatusCode, bulk: &BulkResend) -> Answer {
    let mut json = json!({
        "id": bulk.no.to_string(),
        "status": if bulk.ended_ms.is_some() { "ended" } else { "running" },
        "created": timestamp(bulk.created_ms),
        "total": bulk.n_matched,
        "resent": bulk.n_resent,
        "skipped": bulk.n_skipped,
    });
    if let Some(ended_ms) = bulk.ended_ms {
        json["ended"] = json!(timestamp(ended_ms));
    }
    Answer::members(status, &json!({ "resend": json }))
}
