//! Starts the real server on a disk image (a copy of the data directory as it may be after a power cut). The
//! server must send every webhook that was accepted and not delivered before the power cut, and must leave a
//! directory in which nothing is missing.

use std::collections::HashSet;
use std::path::Path;

use uuid::Uuid;

use super::check::{Obligations, check};
use super::events::DATA_DIR;
use super::image::Image;
use super::recording::{Recorder, Recording};
use crate::api_client::ApiClient;
use crate::restart_checks::{left_over_files, set_age, wait_until_drained};
use crate::server::Installation;
use crate::webhook_receiver::WebhookReceiver;

/// Runs a server on a disk image that is written to the directory `root`. Returns what is wrong.
pub(super) async fn run(
    (image, line): (&Image, usize),
    recording: &Recording,
    recorder: &Recorder<'_>,
    receiver: &WebhookReceiver,
    root: &Path,
) -> anyhow::Result<Vec<String>> {
    let owed = Obligations::at(recording, line);
    image.replace(root)?;
    let data_dir = root.join(DATA_DIR);
    // The check changes the files as the start of a server does, so the server gets a new copy of the disk
    // image.
    let (damage, unsent) = check(&data_dir, &owed).await?;
    if !damage.is_none() {
        return Ok(vec![damage.to_string()]);
    }
    image.replace(root)?;
    set_age(&data_dir.join("blobs"))?;
    receiver.clear();
    let settings = recorder.all_settings();
    let installation =
        Installation::existing(recorder.binary, data_dir.clone(), &settings, recording.key.clone());
    let (server, address) = installation.start(0).await?;
    let mut problems = Vec::new();
    if owed.has_key() {
        let api = ApiClient::new(address, &installation.key);
        problems.extend(server_problems(&api, &owed, unsent.unwrap_or_default(), receiver).await?);
    }
    server.stop().await?;
    let (damage, unsent) = check(&data_dir, &owed).await?;
    problems.extend((!damage.is_none()).then(|| damage.to_string()));
    problems.extend(unsent.unwrap_or_default().iter().map(|id| format!("{id}: not delivered at the end")));
    problems.extend(left_over_files(&data_dir.join("blobs"))?);
    Ok(problems)
}

/// Waits until the server has sent all webhooks, and compares its answers with what it had answered before.
async fn server_problems(
    api: &ApiClient,
    owed: &Obligations<'_>,
    unsent: HashSet<Uuid>,
    receiver: &WebhookReceiver,
) -> anyhow::Result<Vec<String>> {
    let history = match wait_until_drained(api).await {
        Ok(history) => history,
        Err(error) => return Ok(vec![format!("{error:#}")]),
    };
    let mut problems = Vec::new();
    let delivered: HashSet<&str> = history
        .iter()
        .filter(|webhook| webhook["status"] == "delivered")
        .filter_map(|webhook| webhook["id"].as_str())
        .collect();
    let undelivered = owed.accepted().filter(|id| !delivered.contains(id.to_string().as_str()));
    problems.extend(undelivered.map(|id| format!("{id}: not delivered in the history")));
    let deliveries = receiver.deliveries();
    let arrived: HashSet<Uuid> = deliveries.iter().map(|delivery| delivery.id).collect();
    problems.extend(unsent.difference(&arrived).map(|id| format!("{id}: did not arrive")));
    let failures = deliveries.iter().filter(|delivery| !delivery.success);
    problems.extend(failures.map(|delivery| format!("{}: arrived with a failure", delivery.id)));
    for (id, request) in owed.repeatable() {
        let again = request.send(api).await?;
        if again.id() != Some(id) || !again.status.is_success() {
            problems.push(format!("{id}: its repetition got {} {}", again.status, again.json));
        }
    }
    Ok(problems)
}
