//! `GET /1.0/webhooks` and `GET /1.0/webhooks/{id}`: what was accepted, what became of it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use pixaven_ledger::AccountId;
use serde_json::json;
use uuid::Uuid;

use super::Api;
use super::answer::Answer;
use super::auth::Caller;
use super::interventions::id_of;
use crate::error::ApiError;
use crate::webhooks::history;

pub(super) async fn list(
    State(api): State<Api>,
    Caller(account): Caller,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Answer, Answer> {
    let query = history::parse_query(account.id, &pairs).map_err(ApiError::invalid)?;
    let page = api.shared.ledger.webhooks(query).await.map_err(ApiError::from)?;
    let webhooks: Vec<_> = page.webhooks.iter().map(history::webhook).collect();
    let mut members = json!({ "total": page.total, "webhooks": webhooks });
    if let Some(next) = page.next {
        members["cursor"] = json!(next.to_string());
    }
    Ok(Answer::members(StatusCode::OK, &members))
}

pub(super) async fn show(
    State(api): State<Api>,
    Caller(account): Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Answer, Answer> {
    api.show_webhook(account.id, id_of(id)?).await
}

impl Api {
    /// One webhook as it stands now.
    pub(super) async fn show_webhook(&self, account: AccountId, id: Uuid) -> Result<Answer, Answer> {
        let found = self.shared.ledger.webhook(account, id).await.map_err(ApiError::from)?;
        let webhook = history::webhook(&found.ok_or_else(ApiError::not_found)?);
        Ok(Answer::members(StatusCode::OK, &json!({ "webhook": webhook })))
    }
}
