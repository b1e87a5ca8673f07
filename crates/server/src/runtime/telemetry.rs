//! The log: one line per request, per job, per attempt, on standard error, as text or as JSON.

use std::error::Error;
use std::io::IsTerminal as _;

use tracing::Level;

use crate::runtime::config::{Log, LogFormat};

/// Starts logging. What happens when it is called twice is nothing: the first one stays.
pub fn start(log: &Log) {
    let level = Level::from(log.level);
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(level >= Level::DEBUG);
    let started = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(error, "logging was started before");
    }
}

/// An error with everything behind it, for the log.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
