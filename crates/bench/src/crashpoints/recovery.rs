//! A server that was killed, started again: whatever it had told must hold.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::script::{Subject, Told};
use crate::api::Api;
use crate::audit::{self, Audit};
use crate::database;
use crate::receiver::{Delivery, Receiver};
use crate::server::Installation;

/// How long a server may take to deliver all that it owes, once it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files that nobody needs are removed an hour after they were written.
const OLD: Duration = Duration::from_secs(2 * 60 * 60);

/// What was found.
pub(super) struct Recovery {
    pub(super) audit: Audit,
    pub(super) problems: Vec<String>,
}

/// Starts the server again, without faults, lets it do what it owes, compares and stops it.
pub(super) async fn of(
    installation: &Installation,
    told: &Told,
    subject: &Subject,
    receiver: &Receiver,
) -> anyhow::Result<Recovery> {
    let blobs = installation.dir().join("blobs");
    // Left over is what its sweep does not remove, and it sweeps first of all what is old.
    for file in files(&blobs)? {
        let file = std::fs::File::options().write(true).open(file)?;
        file.set_modified(file.metadata()?.modified()? - OLD)?;
    }
    let (server, address) = installation.start(0).await?;
    let api = Api::new(address, &installation.key);
    let mut problems = told.odd.clone();
    let listed = match drained(&api).await {
        Ok(listed) => listed,
        Err(why) => {
            problems.push(format!("{why:#}"));
            Vec::new()
        }
    };
    let deliveries = receiver.deliveries();
    let mut audit = Audit::of(&told.accepted, &deliveries);
    let is_resent = told.resent.is_some_and(|(id, at)| was_delivered_since(&deliveries, id, at));
    audit.duplicates = audit.duplicates.saturating_sub(usize::from(is_resent));
    if told.resent.is_some() && !is_resent {
        problems.push("what was to be sent again was not".to_owned());
    }
    problems.extend(in_deliveries(told, &audit, &deliveries));
    problems.extend(in_history(told, &listed, &deliveries));
    match in_answers(&api, told, subject).await {
        Ok(found) => problems.extend(found),
        Err(why) => problems.push(format!("{why:#}")),
    }
    server.stop().await?;
    problems.extend(database::damage(installation.dir())?);
    let inputs = blobs.join("inputs");
    let is_left = |file: &PathBuf| file.starts_with(&inputs) || file.to_string_lossy().contains('#');
    problems.extend(
        files(&blobs)?
            .iter()
            .filter(|file| is_left(file))
            .map(|file| format!("left over: {}", file.display())),
    );
    Ok(Recovery { audit, problems })
}

/// Waits until no webhook is unfinished; returns all of them.
async fn drained(api: &Api) -> anyhow::Result<Vec<Value>> {
    let end = Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let unfinished = api.get("/1.0/webhooks?status=created,scheduled,dispatched").await?;
        let page = api.get("/1.0/webhooks?limit=100").await?;
        ensure!(page.status == StatusCode::OK, "the history cannot be read: {} {}", page.status, page.json);
        let listed = page.json["webhooks"].as_array().cloned().unwrap_or_default();
        if unfinished.json["total"] == 0 {
            ensure!(
                page.json["total"] == listed.len(),
                "{} of {} are listed",
                listed.len(),
                page.json["total"]
            );
            return Ok(listed);
        }
        ensure!(Instant::now() < end, "still not done: {}", unfinished.json);
    }
}

fn was_delivered_since(deliveries: &[Delivery], id: Uuid, at: Instant) -> bool {
    deliveries.iter().any(|delivery| delivery.id == id && delivery.at > at)
}

fn in_deliveries(told: &Told, audit: &Audit, deliveries: &[Delivery]) -> Vec<String> {
    let mut problems: Vec<_> =
        audit::lost(&told.accepted, deliveries).iter().map(|id| format!("lost: {id}")).collect();
    if audit.altered + audit.failed > 0 {
        problems.push(format!("{} altered, {} failed", audit.altered, audit.failed));
    }
    problems
}

/// The history has what was accepted, all of it delivered, and nothing that nobody asked for.
fn in_history(told: &Told, listed: &[Value], deliveries: &[Delivery]) -> Vec<String> {
    let id = |webhook: &Value| webhook["id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
    let in_history: HashSet<Uuid> = listed.iter().filter_map(id).collect();
    let arrived: HashSet<Uuid> = deliveries.iter().map(|delivery| delivery.id).collect();
    let mut problems: Vec<_> = listed
        .iter()
        .filter(|webhook| webhook["status"] != "delivered")
        .map(|webhook| format!("not delivered: {webhook}"))
        .collect();
    if in_history != arrived {
        problems.push(format!("{} in the history, {} arrived", in_history.len(), arrived.len()));
    }
    problems.extend(
        told.accepted.keys().filter(|id| !in_history.contains(id)).map(|id| format!("not listed: {id}")),
    );
    if in_history.len() > told.accepted.len() + told.n_cut {
        let (n_accepted, n_cut) = (told.accepted.len(), told.n_cut);
        problems
            .push(format!("{n_accepted} accepted and {n_cut} cut are {} in the history", in_history.len()));
    }
    problems
}

/// Named requests are answered as they were; results can be downloaded.
async fn in_answers(api: &Api, told: &Told, subject: &Subject) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for (name, (ask, id)) in &told.named {
        let again = ask.put(api, subject).await?;
        if !again.status.is_success() || again.id() != Some(*id) {
            problems.push(format!("{name:?} was {id}, and now {} {}", again.status, again.json));
        }
    }
    for (path, n_bytes) in &told.results {
        let file = api.get(path).await?;
        if file.status != StatusCode::OK || file.n_bytes != *n_bytes {
            problems.push(format!("{path} had {n_bytes} bytes, and now {} {}", file.status, file.n_bytes));
        }
    }
    Ok(problems)
}

/// All files below a directory, which need not exist.
fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        if !directory.exists() {
            continue;
        }
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(accepted: &[u128], n_cut: usize) -> Told {
        let accepted = accepted.iter().map(|id| (Uuid::from_u128(*id), Instant::now())).collect();
        Told { accepted, n_cut, ..Told::default() }
    }

    fn listed(webhooks: &[(u128, &str)]) -> Vec<Value> {
        webhooks.iter().map(|(id, status)| json!({ "id": Uuid::from_u128(*id), "status": status })).collect()
    }

    fn arrived(ids: &[u128]) -> Vec<Delivery> {
        let delivery = |id| Delivery { id, sha256: [0; 32], at: Instant::now(), attempt: 1, success: true };
        ids.iter().map(|id| delivery(Uuid::from_u128(*id))).collect()
    }

    #[test]
    fn the_history_has_what_was_accepted_and_what_arrived_and_no_more() {
        let done = "delivered";
        let check = |told: Told, webhooks: &[(u128, &str)], arrivals: &[u128]| {
            in_history(&told, &listed(webhooks), &arrived(arrivals)).len()
        };
        assert_eq!(check(told(&[1, 2], 0), &[(1, done), (2, done)], &[1, 2, 2]), 0);
        assert_eq!(
            check(told(&[1], 1), &[(1, done), (2, done)], &[1, 2]),
            0,
            "its 202 may have been cut off"
        );
        assert_eq!(check(told(&[1], 0), &[(1, done), (2, done)], &[1, 2]), 1, "nobody asked for it");
        assert_eq!(check(told(&[1], 0), &[(1, "failed")], &[1]), 1);
        assert_eq!(check(told(&[1, 2], 0), &[(1, done)], &[1]), 1, "not listed");
        assert_eq!(check(told(&[1], 0), &[(1, done)], &[]), 1, "it never arrived");
    }

    #[test]
    fn what_was_lost_is_named() {
        let told = told(&[1, 2], 0);
        let deliveries = arrived(&[2]);
        let audit = Audit::of(&told.accepted, &deliveries);
        assert_eq!(in_deliveries(&told, &audit, &deliveries), [format!("lost: {}", Uuid::from_u128(1))]);
    }
}
