//! Tests a busy ledger: another process has locked the ledger's file when the dispatcher records an attempt
//! to deliver a webhook.

use std::pin::pin;
use std::sync::Arc;

use pixaven_imaging::plan::Format;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action;
use rusqlite::Connection;
use serde_json::json;
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// A log subscriber that sends a notification for each log message that contains `part`.
struct LogListener {
    part: &'static str,
    found: Arc<Notify>,
}

/// Visits the fields of a log event, and records whether the message contains `part`.
struct MessageSearch<'a> {
    part: &'a str,
    is_found: bool,
}

impl<S: Subscriber> Layer<S> for LogListener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut search = MessageSearch { part: self.part, is_found: false };
        event.record(&mut search);
        if search.is_found {
            self.found.notify_one();
        }
    }
}

impl Visit for MessageSearch<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.is_found |= field.name() == "message" && format!("{value:?}").contains(self.part);
    }
}

#[tokio::test]
async fn a_delivered_webhook_is_not_sent_again_if_a_busy_ledger_records_its_attempt_late() {
    let busy_logged = Arc::new(Notify::new());
    let listener = LogListener { part: "the ledger is busy", found: Arc::clone(&busy_logged) };
    let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(listener));
    let app = TestApp::start().await;
    // The receiver sends its response slowly, so that the ledger is locked before the response is complete.
    let slow = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Drip(slow)]]);
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str(), "retry": false } });
    let accepted = app.upload("a.png", &test_image(4, 4, Format::Png), &spec).await;
    let id = accepted.json()["id"].as_str().expect("the response has an id").to_owned();
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);

    let other_process =
        Connection::open(app.directory.path().join("data/pixaven.db")).expect("the ledger is a SQLite file");
    let lock_and_unlock = async {
        receiver.wait_for_requests(1).await;
        other_process.execute_batch("BEGIN IMMEDIATE").expect("no other connection writes now");
        busy_logged.notified().await;
        other_process.execute_batch("ROLLBACK").expect("the transaction is open");
    };
    let mut step = pin!(app.dispatcher.step());
    tokio::select! {
        () = lock_and_unlock => {}
        _ = &mut step => panic!("the dispatcher gave up recording the attempt"),
    }
    assert_eq!(step.await.expect("the ledger responds"), 1);
    let webhook = app.get(&format!("/1.0/webhooks/{id}")).await.json()["webhook"].clone();
    assert_eq!(
        (&webhook["status"], webhook["attempts"].as_array().map(Vec::len)),
        (&json!("delivered"), Some(1))
    );
    assert_eq!(receiver.requests().len(), 1);
}
