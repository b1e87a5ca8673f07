//! `GET /healthz` answers 200 unless a flush to disk failed, because the server then accepts nothing until it
//! is restarted. `GET /readyz` answers 200 if the server can process requests: it is not stopping, the ledger
//! can be written, and at least one worker is alive.

use axum::extract::State;
use http::StatusCode;
use serde_json::json;

use super::ApiState;
use super::error::{ApiError, ErrorKind};
use super::response::ApiResponse;

pub(super) async fn alive(State(api): State<ApiState>) -> Result<ApiResponse, ApiResponse> {
    if api.shared.ledger.is_poisoned() {
        let message = "a flush to disk failed: the server takes nothing until it is restarted";
        return Err(ApiError::new(ErrorKind::Unavailable, message).into());
    }
    Ok(ApiResponse::members(StatusCode::OK, &json!({})))
}

pub(super) async fn ready(State(api): State<ApiState>) -> Result<ApiResponse, ApiResponse> {
    let not_ready = |what: &str| ApiError::new(ErrorKind::Unavailable, format!("not ready: {what}"));
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
    Ok(ApiResponse::members(StatusCode::OK, &json!({ "workers": n_workers })))
}
