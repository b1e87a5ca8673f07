//! Writes the log to standard error, as text or as JSON. Every request, every job and every attempt to
//! deliver a webhook writes one line.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use tracing::field::Field;
use tracing::{Level, Subscriber};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::runtime::config::{Log, LogFormat};

/// Starts logging for the whole process. A second call has no effect.
pub fn start(log: &Log) {
    let level = Level::from(log.level);
    let started = match log.format {
        LogFormat::Text => text_log(level, std::io::stderr().is_terminal(), std::io::stderr).try_init(),
        LogFormat::Json => tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .with_target(level >= Level::DEBUG)
            .json()
            .flatten_event(true)
            .finish()
            .try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
}

/// Creates a log in text form, with one line for each event. If `ansi` is true, the time and the level have
/// colours.
///
/// The values of an event often come from clients and from receivers. Control characters in the values are
/// escaped, so that no value can begin a new line or change the state of a terminal.
pub fn text_log<W>(level: Level, ansi: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(writer)
        .with_ansi(ansi)
        .with_target(level >= Level::DEBUG)
        .fmt_fields(debug_fn(write_field).delimited(" "))
        .finish()
}

/// Writes one field of an event to the log: `name=value`, or only the value if the field is the message.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(Escaped(writer), "{value:?}")
}

/// Writes text to a log line. Characters that could break the line or change the state of a terminal are
/// escaped.
struct Escaped<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, unsafe_char)) = rest.char_indices().find(|&(_, c)| must_be_escaped(c)) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", unsafe_char.escape_default())?;
            rest = &rest[at + unsafe_char.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Returns whether a character is a control character, a line separator of Unicode, or a character that
/// reverses the direction of text.
fn must_be_escaped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Formats an error and all its causes in one line, separated by colons.
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
