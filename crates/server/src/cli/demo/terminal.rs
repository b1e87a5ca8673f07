//! Formats the output of the demo and prints it on standard output, in colour if standard output is a
//! terminal.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::endpoints::ReceivedWebhook;

/// The names of the webhook headers that the demo prints, in the order of printing.
const PRINTED_HEADERS: [&str; 6] =
    ["content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-attempt", "webhook-signature"];

/// Prints the output of the demo on standard output.
pub(super) struct Terminal {
    has_colours: bool,
}

/// The style of a text.
#[derive(Clone, Copy)]
enum Style {
    Bold,
    Dim,
    Green,
    Cyan,
    Yellow,
}

impl Terminal {
    /// Creates the output. It has colours if standard output is a terminal and the variable `NO_COLOR` is not
    /// set (<https://no-color.org>).
    pub(super) fn from_environment() -> Self {
        let is_disabled = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { has_colours: std::io::stdout().is_terminal() && !is_disabled }
    }

    /// Prints the title of the demo.
    pub(super) fn title(&self, name: &str, description: &str) {
        println!();
        println!("  {}  {}", self.styled(Style::Bold, name), self.styled(Style::Dim, description));
        println!();
    }

    /// Prints the heading of a chapter.
    pub(super) fn heading(&self, text: &str) {
        let rule = "─".repeat(76_usize.saturating_sub(text.chars().count()));
        println!();
        println!("  {} {}", self.styled(Style::Bold, text), self.styled(Style::Dim, &rule));
        println!();
    }

    /// Prints a name and its value.
    pub(super) fn field(&self, name: &str, value: &str) {
        println!("    {} {value}", self.styled(Style::Dim, &format!("{name:<9}")));
    }

    /// Prints a sentence.
    pub(super) fn note(&self, text: &str) {
        println!("    {}", self.styled(Style::Dim, text));
    }

    /// Prints a statement that the demo has checked and found true.
    pub(super) fn success(&self, text: &str) {
        println!("    {} {text}", self.styled(Style::Green, "✓"));
    }

    /// Prints an empty line.
    pub(super) fn blank_line(&self) {
        println!();
    }

    /// Prints a shell command that has several lines.
    pub(super) fn command(&self, lines: &[String]) {
        println!("    $ {}", lines.join(" \\\n        "));
        println!();
    }

    /// Prints the response to a printed shell command.
    pub(super) fn response(&self, status: StatusCode, note: &str, body: &str) {
        println!(
            "    {} {} {}",
            self.styled(Style::Cyan, "←"),
            self.status(status),
            self.styled(Style::Dim, note)
        );
        println!("      {body}");
        println!();
    }

    /// Prints a webhook with its headers and its body, and the status with which the receiver answered.
    pub(super) fn webhook(&self, webhook: &ReceivedWebhook, note: Option<&str>) {
        let post = self.styled(Style::Bold, &format!("POST {}", webhook.path));
        println!(
            "    {} {post} {}",
            self.styled(Style::Cyan, "→"),
            self.styled(Style::Dim, note.unwrap_or_default())
        );
        self.headers(&webhook.headers);
        println!();
        match serde_json::from_slice::<Value>(&webhook.body) {
            Ok(json) => self.json(&json),
            Err(_) => println!("      {}", String::from_utf8_lossy(&webhook.body)),
        }
        println!();
        println!(
            "    {} {} {}",
            self.styled(Style::Cyan, "←"),
            self.status(webhook.answer),
            self.styled(Style::Dim, "the receiver")
        );
    }

    /// Prints one line with the path of a webhook and the status with which the receiver answered.
    pub(super) fn webhook_line(&self, webhook: &ReceivedWebhook, note: &str) {
        let post = format!("POST {}", webhook.path);
        println!(
            "    {} {post}  {note}  {} {}",
            self.styled(Style::Cyan, "→"),
            self.styled(Style::Cyan, "←"),
            self.status(webhook.answer)
        );
    }

    /// Prints a JSON object, with each of its members on a new line.
    pub(super) fn json(&self, json: &Value) {
        let mut text = String::from("{\n");
        let entries = json.as_object().into_iter().flatten().collect::<Vec<_>>();
        for (i, (key, value)) in entries.iter().enumerate() {
            let comma = if i + 1 < entries.len() { "," } else { "" };
            let value = indented(value, 2);
            // Writing to a `String` never fails.
            let _infallible = writeln!(text, "  \"{key}\": {value}{comma}");
        }
        text.push('}');
        for line in text.lines() {
            println!("      {line}");
        }
    }

    /// Prints the most important headers of a webhook.
    fn headers(&self, headers: &HeaderMap) {
        for name in PRINTED_HEADERS {
            if let Some(value) = headers.get(name) {
                println!(
                    "      {} {}",
                    self.styled(Style::Dim, &format!("{name}:")),
                    String::from_utf8_lossy(value.as_bytes())
                );
            }
        }
    }

    /// Formats an HTTP status: in green if it means success, and in yellow if it does not.
    fn status(&self, status: StatusCode) -> String {
        let style = if status.is_success() { Style::Green } else { Style::Yellow };
        self.styled(style, &status.to_string())
    }

    /// Returns the text with the escape sequences of the style, or only the text if colours are not used.
    fn styled(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Green => 32,
            Style::Cyan => 36,
            Style::Yellow => 33,
        };
        if self.has_colours && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Formats a value as pretty-printed JSON. Every line except the first is indented by `n_spaces` more spaces.
fn indented(value: &Value, n_spaces: usize) -> String {
    let text = serde_json::to_string_pretty(value)
        .expect("a value that was parsed from JSON can be written as JSON");
    text.replace('\n', &format!("\n{}", " ".repeat(n_spaces)))
}
