//! `GET /1.0/account`: returns the account that owns the API key of the request, with the usage and the
//! limits of this account.

use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, json};

use super::ApiState;
use super::auth::Authenticated;
use super::error::ApiError;
use super::response::ApiResponse;
use super::timestamp::timestamp;

pub(super) async fn show(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
) -> Result<ApiResponse, ApiResponse> {
    let usage = api.shared.ledger.usage(account.id).await.map_err(ApiError::from)?;
    let by_status: Map<String, serde_json::Value> =
        usage.webhooks.iter().map(|(status, n)| (status.as_str().to_owned(), json!(n))).collect();
    let account = json!({
        "name": account.name,
        "created": timestamp(account.created_ms),
        "limits": api.shared.settings.limits,
        "usage": {
            "requests": usage.requests,
            "input_bytes": usage.input_bytes,
            "output_bytes": usage.output_bytes,
            "webhooks": by_status,
        },
    });
    Ok(ApiResponse::members(StatusCode::OK, &json!({ "account": account })))
}
