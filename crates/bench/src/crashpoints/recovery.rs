//! Checks the server that is started after another server was killed on the same data directory. The new
//! server must keep everything that the killed server had acknowledged.

use std::collections::HashSet;
use std::time::Instant;

use hyper::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::script::{Acknowledged, ScriptInputs};
use crate::api_client::ApiClient;
use crate::audit::{self, Audit};
use crate::integrity::integrity_errors;
use crate::restart_checks::{left_over_files, set_age, wait_until_drained};
use crate::server::Installation;
use crate::webhook_receiver::{Delivery, WebhookReceiver};

/// The result of checking a server that was started again.
pub(super) struct Recovery {
    pub(super) audit: Audit,
    /// Descriptions of everything that the server lost or did wrong.
    pub(super) problems: Vec<String>,
}

/// Starts a server without injected faults, waits until the server has delivered all webhooks, compares the
/// state of the server with everything that the killed server had acknowledged, and stops the server.
pub(super) async fn check_recovery(
    installation: &Installation,
    acknowledged: &Acknowledged,
    inputs: &ScriptInputs,
    receiver: &WebhookReceiver,
) -> anyhow::Result<Recovery> {
    let blobs = installation.dir().join("blobs");
    // The files are made older, because the server removes only old unused files when it starts. The check
    // reports unused files that remain.
    set_age(&blobs)?;
    let (server, address) = installation.start(0).await?;
    let api = ApiClient::new(address, &installation.key);
    let mut problems = acknowledged.problems.clone();
    let history = match wait_until_drained(&api).await {
        Ok(history) => history,
        Err(error) => {
            problems.push(format!("{error:#}"));
            Vec::new()
        }
    };
    let deliveries = receiver.deliveries();
    let mut audit = Audit::new(&acknowledged.accepted, &deliveries);
    let is_resent = acknowledged.resent.is_some_and(|(id, at)| was_delivered_since(&deliveries, id, at));
    audit.duplicates = audit.duplicates.saturating_sub(usize::from(is_resent));
    if acknowledged.resent.is_some() && !is_resent {
        problems.push("the resend was acknowledged, but not sent".to_owned());
    }
    problems.extend(delivery_problems(acknowledged, &audit, &deliveries));
    problems.extend(history_problems(acknowledged, &history, &deliveries));
    match response_problems(&api, acknowledged, inputs).await {
        Ok(found) => problems.extend(found),
        Err(error) => problems.push(format!("{error:#}")),
    }
    server.stop().await?;
    problems.extend(integrity_errors(installation.dir())?);
    problems.extend(left_over_files(&blobs)?);
    Ok(Recovery { audit, problems })
}

fn was_delivered_since(deliveries: &[Delivery], id: Uuid, at: Instant) -> bool {
    deliveries.iter().any(|delivery| delivery.id == id && delivery.at > at)
}

/// Describes each accepted webhook that was not delivered, and each delivery whose body was changed or
/// reports a failure.
fn delivery_problems(acknowledged: &Acknowledged, audit: &Audit, deliveries: &[Delivery]) -> Vec<String> {
    let lost = audit::lost_ids(&acknowledged.accepted, deliveries);
    let mut problems: Vec<_> = lost.iter().map(|id| format!("lost: {id}")).collect();
    if audit.altered + audit.failed > 0 {
        problems.push(format!("{} altered, {} failed", audit.altered, audit.failed));
    }
    problems
}

/// Checks the history of webhooks: every webhook in it must be delivered, it must contain every accepted
/// webhook, and it must not contain a webhook that the client did not request.
fn history_problems(acknowledged: &Acknowledged, history: &[Value], deliveries: &[Delivery]) -> Vec<String> {
    let id = |webhook: &Value| webhook["id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
    let listed: HashSet<Uuid> = history.iter().filter_map(id).collect();
    let delivered: HashSet<Uuid> = deliveries.iter().map(|delivery| delivery.id).collect();
    let mut problems: Vec<_> = history
        .iter()
        .filter(|webhook| webhook["status"] != "delivered")
        .map(|webhook| format!("not delivered: {webhook}"))
        .collect();
    if listed != delivered {
        problems.push(format!("{} in the history, {} delivered", listed.len(), delivered.len()));
    }
    let unlisted = acknowledged.accepted.keys().filter(|id| !listed.contains(id));
    problems.extend(unlisted.map(|id| format!("not listed: {id}")));
    let (n_accepted, n_cut) = (acknowledged.accepted.len(), acknowledged.n_cut);
    if listed.len() > n_accepted + n_cut {
        problems.push(format!("{n_accepted} accepted, {n_cut} cut, but {} in the history", listed.len()));
    }
    problems
}

/// Sends each request with an idempotency key again, and downloads each result. A repeated request must get
/// the id of the original request. Each result must have the same length as before.
async fn response_problems(
    api: &ApiClient,
    acknowledged: &Acknowledged,
    inputs: &ScriptInputs,
) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for (key, (request, id)) in &acknowledged.by_key {
        let again = request.send(api, inputs).await?;
        if !again.status.is_success() || again.id() != Some(*id) {
            problems.push(format!("{key:?} was {id}, and now {} {}", again.status, again.json));
        }
    }
    for (path, n_bytes) in &acknowledged.results {
        let file = api.get(path).await?;
        if file.status != StatusCode::OK || file.n_bytes != *n_bytes {
            problems.push(format!("{path} had {n_bytes} bytes, and now {} {}", file.status, file.n_bytes));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn acknowledged(accepted: &[u128], n_cut: usize) -> Acknowledged {
        let accepted = accepted.iter().map(|id| (Uuid::from_u128(*id), Instant::now())).collect();
        Acknowledged { accepted, n_cut, ..Acknowledged::default() }
    }

    fn history(webhooks: &[(u128, &str)]) -> Vec<Value> {
        webhooks.iter().map(|(id, status)| json!({ "id": Uuid::from_u128(*id), "status": status })).collect()
    }

    fn deliveries(ids: &[u128]) -> Vec<Delivery> {
        let delivery = |id| Delivery { id, sha256: [0; 32], at: Instant::now(), attempt: 1, success: true };
        ids.iter().map(|id| delivery(Uuid::from_u128(*id))).collect()
    }

    #[test]
    fn after_a_crash_a_webhook_history_that_contradicts_requests_or_deliveries_is_reported() {
        let done = "delivered";
        let n_problems = |acknowledged: Acknowledged, webhooks: &[(u128, &str)], delivered: &[u128]| {
            history_problems(&acknowledged, &history(webhooks), &deliveries(delivered)).len()
        };
        assert_eq!(n_problems(acknowledged(&[1, 2], 0), &[(1, done), (2, done)], &[1, 2, 2]), 0);
        assert_eq!(
            n_problems(acknowledged(&[1], 1), &[(1, done), (2, done)], &[1, 2]),
            0,
            "the 202 of the second request may be the one that was cut off"
        );
        assert_eq!(
            n_problems(acknowledged(&[1], 0), &[(1, done), (2, done)], &[1, 2]),
            1,
            "the second webhook was not requested"
        );
        assert_eq!(n_problems(acknowledged(&[1], 0), &[(1, "failed")], &[1]), 1);
        assert_eq!(
            n_problems(acknowledged(&[1, 2], 0), &[(1, done)], &[1]),
            1,
            "an accepted id is not listed"
        );
        assert_eq!(n_problems(acknowledged(&[1], 0), &[(1, done)], &[]), 1, "a listed id was not delivered");
    }

    #[test]
    fn a_webhook_lost_in_a_crash_is_reported_with_its_webhook_id() {
        let acknowledged = acknowledged(&[1, 2], 0);
        let deliveries = deliveries(&[2]);
        let audit = Audit::new(&acknowledged.accepted, &deliveries);
        let lost = format!("lost: {}", Uuid::from_u128(1));
        assert_eq!(delivery_problems(&acknowledged, &audit, &deliveries), [lost]);
    }
}
