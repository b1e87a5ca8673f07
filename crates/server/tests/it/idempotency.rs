//! Tests the header `Idempotency-Key`: a request that is repeated with the same key is processed once.

use pixaven_imaging::plan::Format;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond_body, respond_status};
use pixaven_testkit::wire_client::WireResponse;
use serde_json::{Value, json};

use crate::test_app::TestApp;
use crate::test_images::test_image;

const KEY: &str = "Idempotency-Key";

/// Uploads a square image with an idempotency key. `side` is in pixels.
async fn upload(app: &TestApp, key: &str, side: u32, spec: &Value) -> WireResponse {
    app.upload_with("a.png", &test_image(side, side, Format::Png), spec, &[(KEY, key)]).await
}

/// Returns the HTTP status of a response and its error word, such as `conflict`.
fn error_of(response: &WireResponse) -> (u16, String) {
    (response.status, response.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn conflict() -> (u16, String) {
    (409, "conflict".to_owned())
}

#[tokio::test]
async fn a_repeated_request_with_the_same_idempotency_key_gets_the_202_of_the_first_request() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str() } });
    let first = upload(&app, "order 7", 8, &spec).await;
    let again = upload(&app, "order 7", 8, &spec).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json(), again.json());
    let replayed = |response: &WireResponse| response.header("Idempotency-Replayed").map(str::to_owned);
    assert_eq!((replayed(&first), replayed(&again)), (None, Some("true".to_owned())));
    assert_eq!(again.header("X-Request-Id"), first.json()["id"].as_str());
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);

    assert_eq!(
        error_of(&upload(&app, "order 7", 9, &spec).await),
        conflict(),
        "the same key with another file"
    );
    assert_eq!(
        error_of(&upload(&app, "order 7", 8, &json!({})).await),
        conflict(),
        "the same key with other options"
    );
    assert_eq!(upload(&app, "order 8", 8, &spec).await.status, 202);

    let id = first.json()["id"].clone();
    let directory = app.stop().await;
    let app = TestApp::start_in(directory, &[]).await;
    assert_eq!(upload(&app, "order 7", 8, &spec).await.json()["id"], id, "keys survive a restart");
    app.clock.advance(24 * 60 * 60 * 1_000);
    app.sweep.sweep().await.expect("the sweep succeeds");
    assert_ne!(upload(&app, "order 7", 8, &spec).await.json()["id"], id, "keys are forgotten after a day");
}

#[tokio::test]
async fn a_repeated_request_with_the_same_idempotency_key_gets_a_byte_identical_200_response() {
    let app = TestApp::start().await;
    let first = upload(&app, "k", 8, &json!({ "resize": { "width": 4 } })).await;
    let again = upload(&app, "k", 8, &json!({ "resize": { "width": 4 } })).await;
    assert_eq!((first.status, &first.body), (200, &again.body), "the second response has the same bytes");
    assert_eq!(app.get("/1.0/account").await.json()["account"]["usage"]["requests"], 1);
    let file =
        app.download(again.json()["output"]["url"].as_str().expect("the response has a download URL")).await;
    assert_eq!(file.status, 200);
}

#[tokio::test]
async fn a_failed_request_does_not_use_up_its_idempotency_key() {
    let app = TestApp::start().await;
    let png = test_image(8, 8, Format::Png);
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
async fn an_idempotency_key_is_reserved_during_processing_and_released_when_the_client_disconnects() {
    let app = TestApp::start().await;
    let origin = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Hang]]);
    let spec = json!({ "url": origin.url("/a.png").as_str() }).to_string();
    let headers = [("Content-Type", "application/json"), (KEY, "k")];
    let call = || app.call("POST", "/1.0/fetch", &headers, spec.as_bytes());
    {
        let first = std::pin::pin!(call());
        tokio::select! {
            _ = first => panic!("the request ended although its origin hangs"),
            _ = origin.wait_for_requests(1) => {}
        }
        // The first client has disconnected. The key stays reserved until the server notices the end of the
        // connection.
    }
    let mut n_fetched = 1;
    loop {
        tokio::select! {
            response = call() => assert_eq!(error_of(&response), conflict()),
            _ = origin.wait_for_requests(n_fetched + 1) => break,
        }
        n_fetched = origin.requests().len();
    }
    assert_eq!(origin.requests().len(), 2, "the second request is processed");
}

#[tokio::test]
async fn a_request_with_an_invalid_idempotency_key_is_refused() {
    let app = TestApp::start().await;
    for key in ["", "x".repeat(256).as_str(), "caf\u{e9}"] {
        assert_eq!(upload(&app, key, 8, &json!({})).await.status, 422, "{key:?}");
    }
    let binary = json!({ "response": { "mode": "binary" } });
    assert_eq!(upload(&app, "k", 8, &binary).await.status, 422);
    assert_eq!(upload(&app, &"x".repeat(255), 8, &json!({})).await.status, 200);
}
