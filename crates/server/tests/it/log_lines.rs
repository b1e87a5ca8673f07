//! Tests the text log with requests whose values contain line breaks and escape sequences, as an attacker
//! would send them to forge log lines.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use pixaven::runtime::telemetry::text_log;
use pixaven_testkit::wire_client::send;
use serde_json::json;
use tracing::Level;

use crate::test_app::TestApp;

/// A writer that keeps the text of the log in memory. All clones share the text.
#[derive(Clone, Default)]
struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).expect("the log is UTF-8")
    }
}

impl Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_cannot_forge_a_line_or_an_escape_sequence_in_the_text_log() {
    let log = CapturedLog::default();
    let writer = log.clone();
    let _logging = tracing::subscriber::set_default(text_log(Level::INFO, false, move || writer.clone()));
    let app = TestApp::start().await;
    let n_lines_before = log.text().lines().count();
    let forged = "x%0A2026-11-27T00:00:00Z%20%20INFO%20forged%1B[2J%C2%9B";
    assert_eq!(app.get(&format!("/1.0/webhooks?status={forged}&host={forged}")).await.status, 422);
    assert_eq!(send(app.address, "GET", &format!("/{forged}"), &[], b"").await.status, 404);
    let format = "x\n2026-11-27T00:00:00Z  INFO forged\u{1b}[2J\u{9b}\u{2028}\u{202e}";
    assert_eq!(app.upload("a.jpg", b"x", &json!({ "output": { "format": format } })).await.status, 422);
    assert_eq!(
        app.call("POST", "/1.0/webhooks/resend", &[], json!({ format: 1 }).to_string().as_bytes())
            .await
            .status,
        422
    );

    let text = log.text();
    let lines: Vec<&str> = text.lines().skip(n_lines_before).collect();
    assert_eq!(lines.len(), 4, "each request writes one line: {text}");
    assert!(lines.iter().all(|line| line.contains(" INFO ") && line.contains("request")), "{text}");
    assert!(
        lines[3].contains(r"x\n2026-11-27T00:00:00Z  INFO forged\u{1b}[2J\u{9b}\u{2028}\u{202e}"),
        "{text}"
    );
    let is_forbidden = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{202e}'));
    assert!(!text.contains(is_forbidden), "{text:?}");
}
