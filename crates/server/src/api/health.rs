//! `GET /healthz` answers 200 unless a flush to disk failed, because the server then accepts nothing until it
//! is restarted. `GET /readyz` answers 200 if the server can process requests: it is not stopping, the ledger
//! can be written, and at least one worker is alive.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use http::StatusCode;
use pixaven_ledger::Ledger;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ApiState;
use super::error::{ApiError, ErrorKind};
use super::response::ApiResponse;

/// How long the result of one test write answers further readiness checks.
const TEST_WRITE_TTL: Duration = Duration::from_secs(1);

/// Tests whether the ledger can be written, at most once per second. Checks that arrive during a test write
/// wait for its result, so a flood of checks does not cause a flood of flushes to disk.
#[derive(Default)]
pub(super) struct TestWrite {
    last: Mutex<Option<(Instant, TestWriteResult)>>,
}

type TestWriteResult = Result<(), Arc<pixaven_ledger::Error>>;

impl TestWrite {
    async fn result(&self, ledger: &Ledger) -> TestWriteResult {
        let mut last = self.last.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < TEST_WRITE_TTL
            && !ledger.is_poisoned()
        {
            return result.clone();
        }
        let result = ledger.health().await.map_err(Arc::new);
        *last = Some((Instant::now(), result.clone()));
        result
    }
}

pub(super) async fn alive(State(api): State<ApiState>) -> Result<ApiResponse, ApiResponse> {
    if api.shared.ledger.is_poisoned() {
        let message = "a flush to disk failed: the server takes nothing until it is restarted";
        return Err(ApiError::new(ErrorKind::Unavailable, message).into());
    }
    Ok(ApiResponse::members(StatusCode::OK, &json!({})))
}

pub(super) async fn ready(
    State(api): State<ApiState>,
    RawQuery(query): RawQuery,
) -> Result<ApiResponse, ApiResponse> {
    let not_ready = |what: &str| ApiError::new(ErrorKind::Unavailable, format!("not ready: {what}"));
    if api.shared.tasks.is_stopping() {
        return Err(not_ready("the server is stopping").into());
    }
    let written = api.shared.test_write.result(&api.shared.ledger).await;
    written.map_err(|error| not_ready("the ledger cannot be written").with_source(error))?;
    let n_workers = api.shared.pipeline.sandbox.n_alive();
    if n_workers == 0 {
        return Err(not_ready("no image worker is alive").into());
    }
    let mut members = json!({ "workers": n_workers });
    if query.is_some_and(|query| query.split('&').any(|pair| pair == "verbose" || pair == "verbose=1")) {
        let missing: Vec<_> = api.shared.settings.missing_walls.iter().map(|wall| wall.name()).collect();
        members["checks"] = json!({
            "ledger": "writable",
            "refused_late_writes": api.shared.ledger.stats().n_refused,
            "image_workers": { "alive": n_workers, "missing_restrictions": missing },
        });
    }
    Ok(ApiResponse::members(StatusCode::OK, &members))
}
