//! What a run prints: progress for people on standard error, one line of JSON for programs on standard output.

use serde::Serialize;
use uuid::Uuid;

use crate::api::{Answer, Api};

/// So many lost requests are looked up; the rest have the same cause.
const MAX_EXPLAINED: usize = 10;

/// Says something to the person at the terminal.
pub(crate) fn progress(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Says what the server knows about requests that were lost, as far as it still answers.
pub(crate) async fn explain(api: &Api, lost: &[Uuid]) {
    for &id in lost.iter().take(MAX_EXPLAINED) {
        match api.get(&format!("/1.0/webhooks/{id}")).await {
            Ok(Answer { status, json, .. }) => progress(format_args!("lost {id}: {status} {json}")),
            Err(error) => progress(format_args!("lost {id}: {error:#}")),
        }
    }
}

/// Prints the result.
pub(crate) fn print(report: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}
