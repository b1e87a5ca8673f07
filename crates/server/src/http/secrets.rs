//! `GET /1.0/secrets` and `POST /1.0/secrets/rotate`: what webhooks are signed with, for those who verify them. The one
//! place where the API tells a secret, to whoever has a key of its account.

use axum::extract::{Request, State};
use http::StatusCode;
use pixaven_ledger::{Secret, SecretInfo};
use serde_json::{Value, json};

use super::answer::Answer;
use super::auth::Caller;
use super::{Api, body};
use crate::error::ApiError;
use crate::webhooks::history::timestamp;
use crate::webhooks::sign::generate_secret;

/// How long old secrets stay in force when a rotation does not say: a day.
const DEFAULT_OVERLAP_S: i64 = 24 * 60 * 60;
/// The longest a rotation may ask for: thirty days.
const MAX_OVERLAP_S: i64 = 30 * DEFAULT_OVERLAP_S;

pub(super) async fn show(State(api): State<Api>, Caller(account): Caller) -> Result<Answer, Answer> {
    let secrets = api.shared.ledger.secrets(account.id).await.map_err(ApiError::from)?;
    Ok(answer(&secrets))
}

pub(super) async fn rotate(
    State(api): State<Api>,
    Caller(account): Caller,
    request: Request,
) -> Result<Answer, Answer> {
    let wanted = body::json(&api, request).await?;
    let overlap_s = match wanted.get("overlap") {
        None | Some(Value::Null) => DEFAULT_OVERLAP_S,
        Some(value) => {
            value.as_i64().filter(|seconds| (0..=MAX_OVERLAP_S).contains(seconds)).ok_or_else(|| {
                ApiError::invalid(format!(
                    "overlap must be an integer from 0 to {MAX_OVERLAP_S}, got {value}"
                ))
            })?
        }
    };
    let secret = Secret::from(generate_secret().map_err(ApiError::internal)?);
    let rotated = api.shared.ledger.rotate_secret(account.id, secret, overlap_s * 1_000).await;
    Ok(answer(&rotated.map_err(ApiError::from)?))
}

fn answer(secrets: &[SecretInfo]) -> Answer {
    let secrets: Vec<Value> = secrets
        .iter()
        .map(|known| {
            let mut json = json!({ "secret": known.secret.expose(), "created": timestamp(known.created_ms) });
            if let Some(retires_ms) = known.retires_ms {
                json["retires"] = json!(timestamp(retires_ms));
            }
            json
        })
        .collect();
    Answer::members(StatusCode::OK, &json!({ "secrets": secrets }))
}
