//! What the viewer sees: calm lines on standard output, in colour where a person looks at a terminal that has them.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::neighbours::Arrival;

/// The headers of a webhook worth showing, in the order in which they are read.
const HEADERS: [&str; 6] =
    ["content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-attempt", "webhook-signature"];

/// Standard output.
pub(super) struct Screen {
    colours: bool,
}

#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Green,
    Cyan,
    Yellow,
}

impl Screen {
    /// Colours unless the output is no terminal or the viewer wants none (<https://no-color.org>).
    pub(super) fn of_this_terminal() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: std::io::stdout().is_terminal() && !unwanted }
    }

    /// The first lines.
    pub(super) fn title(&self, name: &str, what: &str) {
        println!();
        println!("  {}  {}", self.ink(Ink::Bold, name), self.ink(Ink::Dim, what));
        println!();
    }

    /// A chapter begins.
    pub(super) fn heading(&self, text: &str) {
        let rule = "─".repeat(76_usize.saturating_sub(text.chars().count()));
        println!();
        println!("  {} {}", self.ink(Ink::Bold, text), self.ink(Ink::Dim, &rule));
        println!();
    }

    /// Something with a name.
    pub(super) fn fact(&self, name: &str, value: &str) {
        println!("    {} {value}", self.ink(Ink::Dim, &format!("{name:<9}")));
    }

    /// A sentence.
    pub(super) fn say(&self, text: &str) {
        println!("    {}", self.ink(Ink::Dim, text));
    }

    /// Something that was checked and is right.
    pub(super) fn good(&self, text: &str) {
        println!("    {} {text}", self.ink(Ink::Green, "✓"));
    }

    /// An empty line.
    pub(super) fn gap(&self) {
        println!();
    }

    /// A shell command, its parts on lines of their own.
    pub(super) fn command(&self, parts: &[String]) {
        println!("    $ {}", parts.join(" \\\n        "));
        println!();
    }

    /// The answer to a command.
    pub(super) fn answer(&self, status: StatusCode, note: &str, body: &str) {
        println!("    {} {} {}", self.ink(Ink::Cyan, "←"), self.status(status), self.ink(Ink::Dim, note));
        println!("      {body}");
        println!();
    }

    /// A webhook: what came, and what the receiver said.
    pub(super) fn arrival(&self, arrival: &Arrival, note: Option<&str>) {
        let post = self.ink(Ink::Bold, &format!("POST {}", arrival.path));
        println!("    {} {post} {}", self.ink(Ink::Cyan, "→"), self.ink(Ink::Dim, note.unwrap_or_default()));
        self.headers(&arrival.headers);
        println!();
        match serde_json::from_slice::<Value>(&arrival.body) {
            Ok(json) => self.json(&json),
            Err(_) => println!("      {}", String::from_utf8_lossy(&arrival.body)),
        }
        println!();
        println!(
            "    {} {} {}",
            self.ink(Ink::Cyan, "←"),
            self.status(arrival.answer),
            self.ink(Ink::Dim, "the receiver")
        );
    }

    /// A webhook in one line.
    pub(super) fn brief_arrival(&self, arrival: &Arrival, note: &str) {
        let post = format!("POST {}", arrival.path);
        println!(
            "    {} {post}  {note}  {} {}",
            self.ink(Ink::Cyan, "→"),
            self.ink(Ink::Cyan, "←"),
            self.status(arrival.answer)
        );
    }

    /// JSON, a value of the top level on each line: short enough to be read, long enough to be complete.
    pub(super) fn json(&self, json: &Value) {
        let mut text = String::from("{\n");
        let entries = json.as_object().into_iter().flatten().collect::<Vec<_>>();
        for (i, (key, value)) in entries.iter().enumerate() {
            let comma = if i + 1 < entries.len() { "," } else { "" };
            let value = indented(value, 2);
            // Writing to a string cannot fail.
            let _infallible = writeln!(text, "  \"{key}\": {value}{comma}");
        }
        text.push('}');
        for line in text.lines() {
            println!("      {line}");
        }
    }

    fn headers(&self, headers: &HeaderMap) {
        for name in HEADERS {
            if let Some(value) = headers.get(name) {
                println!(
                    "      {} {}",
                    self.ink(Ink::Dim, &format!("{name}:")),
                    String::from_utf8_lossy(value.as_bytes())
                );
            }
        }
    }

    fn status(&self, status: StatusCode) -> String {
        let ink = if status.is_success() { Ink::Green } else { Ink::Yellow };
        self.ink(ink, &status.to_string())
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => 1,
            Ink::Dim => 2,
            Ink::Green => 32,
            Ink::Cyan => 36,
            Ink::Yellow => 33,
        };
        if self.colours && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A value in the usual layout, every line after the first `by` spaces further to the right.
fn indented(value: &Value, by: usize) -> String {
    let text = serde_json::to_string_pretty(value).expect("a value that was read as JSON is JSON");
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}
