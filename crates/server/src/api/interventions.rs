//! Actions of users on single webhooks: resend a webhook, cancel a webhook, and test the URL of a receiver.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::auth::Authenticated;
use super::error::{ApiError, net_error_text};
use super::history::json::{attempt_json, payload_json};
use super::path::parse_id;
use super::response::{ApiResponse, RequestId};
use super::{ApiState, body};
use crate::delivery::TestTarget;
use crate::work::redact::without_credentials;
use crate::work::request::{self, RequestKind};

pub(super) async fn resend(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    id: Result<Path<String>, PathRejection>,
) -> Result<ApiResponse, ApiResponse> {
    let id: Uuid = parse_id(id)?;
    let resent = api.shared.ledger.resend_webhook(account.id, id).await.map_err(ApiError::from)?;
    resent.ok_or_else(ApiError::not_found)?;
    api.show_webhook(account.id, id).await
}

pub(super) async fn cancel(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    id: Result<Path<String>, PathRejection>,
) -> Result<ApiResponse, ApiResponse> {
    let id: Uuid = parse_id(id)?;
    if !api.shared.ledger.cancel_webhook(account.id, id).await.map_err(ApiError::from)? {
        return Err(ApiError::not_found().into());
    }
    api.show_webhook(account.id, id).await
}

/// Sends one test notification immediately and answers with the outcome. The ledger does not record the
/// notification.
pub(super) async fn test(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<ApiResponse, ApiResponse> {
    let fields = body::json(&api, request).await?;
    // The body of the request gets the same checks as the object `webhook` of an image request. The size of
    // the body is not known in this function, so the body is parsed like a large body.
    let parse = move || {
        let as_request = json!({ "webhook": Value::Object(fields) }).to_string();
        request::parse(as_request.as_bytes(), RequestKind::Upload, false)
    };
    let parsed = api.shared.pipeline.threads.run(usize::MAX, parse).await.map_err(ApiError::from)?;
    let spec = parsed.map_err(ApiError::from)?;
    let webhook = spec.webhook.ok_or_else(|| ApiError::invalid("url is required"))?;
    let target = TestTarget { account: account.id, id, url: &webhook.url, headers: &webhook.headers };
    let tested = api.shared.dispatcher.send_test(target).await.map_err(ApiError::from)?;
    let mut members = attempt_json(&tested.attempt);
    if let Some(error) = &tested.error {
        members["error"] = json!(net_error_text(error));
    }
    members["url"] = json!(without_credentials(webhook.url.as_str()));
    members["payload"] = payload_json(&tested.payload);
    Ok(ApiResponse::members(StatusCode::OK, &json!({ "test": members })))
}
