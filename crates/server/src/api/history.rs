//! `GET /1.0/webhooks` and `GET /1.0/webhooks/{id}`: the history of webhooks. The module `json` renders the
//! records of the ledger, and the module `query` parses the query string of a list.

mod curl;
pub mod json;
pub mod query;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use pixaven_ledger::AccountId;
use serde_json::json;
use uuid::Uuid;

use super::ApiState;
use super::auth::Authenticated;
use super::error::ApiError;
use super::path::parse_id;
use super::response::ApiResponse;

pub(super) async fn list(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<ApiResponse, ApiResponse> {
    let query = query::parse_query(account.id, &pairs).map_err(ApiError::invalid)?;
    let page = api.shared.ledger.webhooks(query).await.map_err(ApiError::from)?;
    let webhooks: Vec<_> = page.webhooks.iter().map(json::webhook_json).collect();
    let mut members = json!({ "total": page.total, "webhooks": webhooks });
    if let Some(next) = page.next_cursor {
        members["cursor"] = json!(next.to_string());
    }
    Ok(ApiResponse::members(StatusCode::OK, &members))
}

pub(super) async fn show(
    State(api): State<ApiState>,
    Authenticated(account): Authenticated,
    id: Result<Path<String>, PathRejection>,
) -> Result<ApiResponse, ApiResponse> {
    api.show_webhook(account.id, parse_id(id)?).await
}

impl ApiState {
    /// Reads one webhook from the ledger and returns an answer with the current state of the webhook.
    pub(super) async fn show_webhook(
        &self,
        account: AccountId,
        id: Uuid,
    ) -> Result<ApiResponse, ApiResponse> {
        let found = self.shared.ledger.webhook(account, id).await.map_err(ApiError::from)?;
        let webhook = json::webhook_json(&found.ok_or_else(ApiError::not_found)?);
        Ok(ApiResponse::members(StatusCode::OK, &json!({ "webhook": webhook })))
    }
}
