//! What several fault tools do with a server that starts on the directory of a crashed server: they make its
//! files old, wait until it has delivered all webhooks, and look for files that it should have removed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::StatusCode;
use serde_json::Value;

use crate::api_client::ApiClient;

/// The time limit for the delivery of all webhooks, counted from the moment at which the server listens.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The age that [`set_age`] gives to files. The server removes unused files that are older than one hour.
const FILE_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Waits until no webhook is unfinished, and returns all webhooks of the history.
pub(crate) async fn wait_until_drained(api: &ApiClient) -> anyhow::Result<Vec<Value>> {
    let end = Instant::now() + DRAIN_TIMEOUT;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let unfinished = api.get("/1.0/webhooks?status=created,scheduled,dispatched").await?;
        let page = api.get("/1.0/webhooks?limit=100").await?;
        ensure!(page.status == StatusCode::OK, "the history cannot be read: {} {}", page.status, page.json);
        let webhooks = page.json["webhooks"].as_array().cloned().unwrap_or_default();
        if unfinished.json["total"] == 0 {
            let total = &page.json["total"];
            ensure!(*total == webhooks.len(), "{} of {total} are listed", webhooks.len());
            return Ok(webhooks);
        }
        ensure!(Instant::now() < end, "still not done: {}", unfinished.json);
    }
}

/// Makes all files below a directory old. Does nothing if the directory does not exist.
pub(crate) fn set_age(directory: &Path) -> anyhow::Result<()> {
    for file in files_below(directory)? {
        let file = File::options().write(true).open(file)?;
        file.set_modified(file.metadata()?.modified()? - FILE_AGE)?;
    }
    Ok(())
}

/// Describes files that the server should have removed after it had delivered all webhooks: inputs, and files
/// that were never completed.
pub(crate) fn left_over_files(blobs: &Path) -> anyhow::Result<Vec<String>> {
    let inputs = blobs.join("inputs");
    let is_left_over = |file: &&PathBuf| file.starts_with(&inputs) || file.to_string_lossy().contains('#');
    let files = files_below(blobs)?;
    Ok(files.iter().filter(is_left_over).map(|file| format!("left over: {}", file.display())).collect())
}

/// Lists all files below a directory, which need not exist.
fn files_below(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        if !directory.exists() {
            continue;
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}
