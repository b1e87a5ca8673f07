//! What users do to webhooks: send one again, give one up, try an address out.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, RequestId};
use super::auth::Caller;
use super::{Api, body};
use crate::error::ApiError;
use crate::request::{self, Origin};

/// The id in a path; what is none names nothing.
pub(super) fn id_of(id: Result<Path<String>, PathRejection>) -> Result<Uuid, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::not_found())?;
    Uuid::try_parse(&id).map_err(|_| ApiError::not_found())
}

pub(super) async fn resend(
    State(api): State<Api>,
    Caller(account): Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Answer, Answer> {
    let id = id_of(id)?;
    let resent = api.shared.ledger.resend_webhook(account.id, id).await.map_err(ApiError::from)?;
    resent.ok_or_else(ApiError::not_found)?;
    api.show_webhook(account.id, id).await
}

pub(super) async fn cancel(
    State(api): State<Api>,
    Caller(account): Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Answer, Answer> {
    let id = id_of(id)?;
    if !api.shared.ledger.cancel_webhook(account.id, id).await.map_err(ApiError::from)? {
        return Err(ApiError::not_found().into());
    }
    api.show_webhook(account.id, id).await
}

/// Sends one notification now and answers what happened. Nothing of it is kept.
pub(super) async fn test(
    State(api): State<Api>,
    Caller(account): Caller,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Answer, Answer> {
    let wanted = body::json(&api, request).await?;
    // The address and its headers are judged as those of a request are.
    let as_request = json!({ "webhook": Value::Object(wanted) }).to_string();
    let spec = request::parse(as_request.as_bytes(), Origin::Upload, false).map_err(ApiError::from)?;
    let webhook = spec.webhook.ok_or_else(|| ApiError::invalid("url is required"))?;
    let happened = api.shared.dispatcher.try_out(account.id, id, &webhook).await?;
    Ok(Answer::members(StatusCode::OK, &json!({ "test": happened })))
}
