//! `GET /1.0/secrets` and `POST /1.0/secrets/rotate`: the secrets that sign the webhooks of an account.
//! Receivers verify signatures with these secrets. No other path of the API returns a secret. Any API key of
//! the account may read them.

use axum::extract::{Request, State};
use http::StatusCode;
use pixaven_ledger::{Secret, SecretInfo};
use serde_json::{Value, json};

use super::auth::Authenticated;
use super::error::ApiError;
use super::response::ApiResponse;
use super::timestamp::timestamp;
use super::{ApiState, body};
use crate::delivery::signing::generate_secret;
use crate::runtime::seal::{SIGNING_SECRET, Seal};
use crate::work::request::type_name;

/// The default of the parameter `overlap`, in seconds: after a rotation, old secrets stay active for one day.
const DEFAULT_OVERLAP_S: i64 = 24 * 60 * 60;
/// The largest value of the parameter `overlap`, in seconds: old secrets stay active for at most thirty days.
const MAX_OVERLAP_S: i64 = 30 * DEFAULT_OVERLAP_S;

pub(super) async fn show(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
) -> Result<ApiResponse, ApiResponse> {
    let secrets = api.shared.ledger.secrets(account.id).await.map_err(ApiError::from)?;
    Ok(respond(&secrets, &api.shared.pipeline.seal)?)
}

pub(super) async fn rotate(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    request: Request,
) -> Result<ApiResponse, ApiResponse> {
    let fields = body::json(&api, request).await?;
    let overlap_s = match fields.get("overlap") {
        None | Some(Value::Null) => DEFAULT_OVERLAP_S,
        Some(value) => {
            value.as_i64().filter(|seconds| (0..=MAX_OVERLAP_S).contains(seconds)).ok_or_else(|| {
                ApiError::invalid(format!(
                    "overlap must be an integer from 0 to {MAX_OVERLAP_S}, got {}",
                    type_name(value)
                ))
            })?
        }
    };
    let seal = &api.shared.pipeline.seal;
    let secret = generate_secret().map_err(ApiError::internal)?;
    let secret = Secret::from(seal.seal(SIGNING_SECRET, &secret).map_err(ApiError::internal)?);
    let rotated = api.shared.ledger.rotate_secret(account.id, secret, overlap_s * 1_000).await;
    Ok(respond(&rotated.map_err(ApiError::from)?, seal)?)
}

fn respond(secrets: &[SecretInfo], seal: &Seal) -> Result<ApiResponse, ApiError> {
    let secrets: Result<Vec<Value>, ApiError> = secrets
        .iter()
        .map(|known| {
            let secret = seal.unseal(SIGNING_SECRET, known.secret.expose()).map_err(ApiError::internal)?;
            let mut json = json!({ "secret": secret, "created": timestamp(known.created_ms) });
            if let Some(retires_ms) = known.retires_ms {
                json["retires"] = json!(timestamp(retires_ms));
            }
            Ok(json)
        })
        .collect();
    Ok(ApiResponse::members(StatusCode::OK, &json!({ "secrets": secrets? })).not_stored())
}
