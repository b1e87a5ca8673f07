//! The log on standard error, as text or as JSON. Every request, every job and every attempt writes one line.

use std::error::Error;
use std::io::IsTerminal as _;

use tracing::Level;

use crate::runtime::config::{Log, LogFormat};

/// Starts logging for the whole process. A second call has no effect.
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

/// An error and all its causes in one line, separated by colons.
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
