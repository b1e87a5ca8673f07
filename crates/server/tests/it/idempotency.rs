//! `Idempotency-Key`: asked for twice, done once.

use pixaven_imaging::plan::Format;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond_body, respond_status};
use pixaven_testkit::wire_client::WireResponse;
use serde_json::{Value, json};

use crate::pictures::picture;
use crate::test_app::TestApp;

const KEY: &str = "Idempotency-Key";

async fn upload(app: &TestApp, key: &str, side: u32, spec: &Value) -> WireResponse {
    app.upload_with("a.png", &picture(side, side, Format::Png), spec, &[(KEY, key)]).await
}

fn error_of(reply: &WireResponse) -> (u16, String) {
    (reply.status, reply.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn conflict() -> (u16, String) {
    (409, "conflict".to_owned())
}

#[tokio::test]
async fn an_accepted_request_is_accepted_once() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str() } });
    let first = upload(&app, "order 7", 8, &spec).await;
    let again = upload(&app, "order 7", 8, &spec).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json(), again.json());
    let headers = |reply: &WireResponse| reply.header("Idempotency-Replayed").map(str::to_owned);
    assert_eq!((headers(&first), headers(&again)), (None, Some("true".to_owned())));
    assert_eq!(again.header("X-Request-Id"), first.json()["id"].as_str());
    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);

    assert_eq!(error_of(&upload(&app, "order 7", 9, &spec).await), conflict(), "another file");
    assert_eq!(error_of(&upload(&app, "order 7", 8, &json!({})).await), conflict(), "another request");
    assert_eq!(upload(&app, "order 8", 8, &spec).await.status, 202);

    let id = first.json()["id"].clone();
    let directory = app.stop().await;
    let app = TestApp::start_in(directory, &[]).await;
    assert_eq!(upload(&app, "order 7", 8, &spec).await.json()["id"], id, "a restart forgets nothing");
    app.clock.advance(24 * 60 * 60 * 1_000);
    app.sweep.sweep().await.expect("the sweep runs");
    assert_ne!(upload(&app, "order 7", 8, &spec).await.json()["id"], id, "a day later the name is free");
}

#[tokio::test]
async fn an_answer_is_the_same_again() {
    let app = TestApp::start().await;
    let first = upload(&app, "k", 8, &json!({ "resize": { "width": 4 } })).await;
    let again = upload(&app, "k", 8, &json!({ "resize": { "width": 4 } })).await;
    assert_eq!((first.status, &first.body), (200, &again.body), "byte for byte");
    assert_eq!(app.get("/1.0/account").await.json()["account"]["usage"]["requests"], 1);
    let file = app.download(again.json()["output"]["url"].as_str().expect("a link")).await;
    assert_eq!(file.status, 200);
}

#[tokio::test]
async fn what_failed_can_be_tried_again() {
    let app = TestApp::start().await;
    let png = picture(8, 8, Format::Png);
    let origin = ScriptedReceiver::start(vec![respond_status(500), respond_body(&png)]);
    let spec = json!({ "url": origin.url("/a.png").as_str() }).to_string();
    let fetch = async || {
        let headers = [("Content-Type", "application/json"), (KEY, "k")];
        app.call("POST", "/1.0/fetch", &headers, spec.as_bytes()).await
    };
    assert_eq!(error_of(&fetch().await), (422, "source_refused".to_owned()));
    let first = fetch().await;
    assert_eq!((first.status, fetch().await.body), (200, first.body));
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn a_name_is_held_while_its_request_is_processed_and_given_back_when_its_caller_hangs_up() {
    let app = TestApp::start().await;
    let origin = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Hang]]);
    let spec = json!({ "url": origin.url("/a.png").as_str() }).to_string();
    let headers = [("Content-Type", "application/json"), (KEY, "k")];
    let call = || app.call("POST", "/1.0/fetch", &headers, spec.as_bytes());
    {
        let first = std::pin::pin!(call());
        tokio::select! {
            _ = first => panic!("the origin does not answer"),
            _ = origin.wait_for_requests(1) => {}
        }
        // The first caller hung up; until the server notices, the name is taken.
    }
    let mut n_asked = 1;
    loop {
        tokio::select! {
            reply = call() => assert_eq!(error_of(&reply), conflict()),
            _ = origin.wait_for_requests(n_asked + 1) => break,
        }
        n_asked = origin.requests().len();
    }
    assert_eq!(origin.requests().len(), 2, "it is done anew");
}

#[tokio::test]
async fn what_is_no_name_is_refused() {
    let app = TestApp::start().await;
    for key in ["", "x".repeat(256).as_str(), "caf\u{e9}"] {
        assert_eq!(upload(&app, key, 8, &json!({})).await.status, 422, "{key:?}");
    }
    let binary = json!({ "response": { "mode": "binary" } });
    assert_eq!(upload(&app, "k", 8, &binary).await.status, 422);
    assert_eq!(upload(&app, &"x".repeat(255), 8, &json!({})).await.status, 200);
}
