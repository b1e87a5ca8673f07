//! A ledger that is busy: another process holds its file while the end of an attempt is to be written.

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

use crate::pictures::picture;
use crate::test_app::TestApp;

/// Tells when a line is logged that contains a text.
struct Listener {
    part: &'static str,
    heard: Arc<Notify>,
}

struct Message<'a> {
    part: &'a str,
    is_there: bool,
}

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message { part: self.part, is_there: false };
        event.record(&mut message);
        if message.is_there {
            self.heard.notify_one();
        }
    }
}

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.is_there |= field.name() == "message" && format!("{value:?}").contains(self.part);
    }
}

#[tokio::test]
async fn what_a_busy_ledger_does_not_take_is_written_again_and_not_sent_again() {
    let heard = Arc::new(Notify::new());
    let listener = Listener { part: "the ledger is busy", heard: Arc::clone(&heard) };
    let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(listener));
    let app = TestApp::start().await;
    // The answer takes its time: the file is held before it is complete.
    let slow = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Drip(slow)]]);
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str(), "retry": false } });
    let accepted = app.upload("a.png", &picture(4, 4, Format::Png), &spec).await;
    let id = accepted.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);

    let another = Connection::open(app.directory.path().join("data/pixaven.db")).expect("the ledger's file");
    let hold_and_let_go = async {
        receiver.wait_for_requests(1).await;
        another.execute_batch("BEGIN IMMEDIATE").expect("nobody writes now");
        heard.notified().await;
        another.execute_batch("ROLLBACK").expect("it is ours");
    };
    let mut step = pin!(app.dispatcher.step());
    tokio::select! {
        () = hold_and_let_go => {}
        _ = &mut step => panic!("it was not written again"),
    }
    assert_eq!(step.await.expect("the ledger answers"), 1);
    let webhook = app.get(&format!("/1.0/webhooks/{id}")).await.json()["webhook"].clone();
    assert_eq!(
        (&webhook["status"], webhook["attempts"].as_array().map(Vec::len)),
        (&json!("delivered"), Some(1))
    );
    assert_eq!(receiver.requests().len(), 1);
}
