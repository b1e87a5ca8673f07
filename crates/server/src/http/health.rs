//! `GET /healthz` (this process answers, and can get well by itself) and `GET /readyz` (it can take work: the ledger
//! commits, workers live).

use axum::extract::State;
use http::StatusCode;
use serde_json::json;

use super::Api;
use super::answer::Answer;
use crate::error::{ApiError, Kind};

pub(super) async fn alive(State(api): State<Api>) -> Result<Answer, Answer> {
    if api.shared.ledger.is_poisoned() {
        let message = "a flush to disk failed: the server takes nothing until it is restarted";
        return Err(ApiError::new(Kind::Unavailable, message).into());
    }
    Ok(Answer::members(StatusCode::OK, &json!({})))
}

pub(super) async fn ready(State(api): State<Api>) -> Result<Answer, Answer> {
    let not_ready = |what: &str| ApiError::new(Kind::Unavailable, format!("not ready: {what}"));
    if api.shared.tasks.stop_token().is_cancelled() {
        return Err(not_ready("the server is stopping").into());
    }
    api.shared
        .ledger
        .health()
        .await
        .map_err(|error| not_ready("the ledger cannot be written").with_source(error))?;
    let n_workers = api.shared.pipeline.sandbox.n_alive();
    if n_workers == 0 {
        return Err(not_ready("no image worker is alive").into());
    }
    Ok(Answer::members(StatusCode::OK, &json!({ "workers": n_workers })))
}
