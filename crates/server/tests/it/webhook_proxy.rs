//! Tests webhooks that are sent through a forward proxy, from the accepted request to the recorded history.

use std::time::Duration;

use pixaven::runtime::lifecycle::Tasks;
use pixaven_imaging::plan::Format;
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::proxy::{ForwardProxy, ProxyAction};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use pixaven_testkit::wire_client::WireResponse;
use serde_json::{Value, json};

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// A response with which the proxy demands credentials. The proxy then opens no tunnel.
const REFUSED_BY_THE_PROXY: ProxyAction =
    ProxyAction::Respond("HTTP/1.1 407 Who Are You\r\ncontent-length: 0\r\n\r\n");

async fn app_behind(proxy: &str) -> TestApp {
    TestApp::start_with(&[("webhooks.proxy", proxy)]).await
}

/// Sends a request, which the server must accept, and processes its image, so that the webhook of the request
/// is due. Returns the request's id.
async fn accept_and_process(app: &TestApp, webhook: Value) -> String {
    let response = app.upload("a.png", &test_image(4, 4, Format::Png), &json!({ "webhook": webhook })).await;
    assert_eq!(response.status, 202, "{}", response.json());
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    response.json()["id"].as_str().expect("the response has an id").to_owned()
}

async fn send(app: &TestApp) -> usize {
    app.dispatcher.step().await.expect("the ledger responds")
}

async fn history(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/1.0/webhooks/{id}")).await.json()["webhook"].clone()
}

/// Sends a test notification to the receiver through the API.
async fn send_test(app: &TestApp, receiver: &ScriptedReceiver) -> WireResponse {
    let body = json!({ "url": receiver.url("/").as_str() }).to_string();
    app.call("POST", "/1.0/webhooks/test", &[("Content-Type", "application/json")], body.as_bytes()).await
}

#[tokio::test]
async fn webhooks_are_sent_through_the_configured_proxy_with_its_credentials() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let directory = tempfile::tempdir().unwrap();
    let credentials = directory.path().join("proxy.txt");
    std::fs::write(&credentials, "Aladdin:open sesame\n").unwrap();
    let settings =
        [("webhooks.proxy", proxy.url()), ("webhooks.proxy_credentials", credentials.display().to_string())];
    let settings = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
    let app = TestApp::start_with(&settings).await;
    let id = accept_and_process(&app, json!({ "url": receiver.url("/hook").as_str() })).await;
    assert_eq!(send(&app).await, 1);

    let webhook = history(&app, &id).await;
    assert_eq!(webhook["status"], "delivered", "{webhook}");
    assert_eq!(webhook["attempts"][0]["address"], receiver.address.to_string());
    let [connect] = <[_; 1]>::try_from(proxy.requests()).unwrap();
    assert_eq!(connect.header("proxy-authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    assert_eq!(receiver.requests()[0].header("proxy-authorization"), None);

    let test = send_test(&app, &receiver).await;
    assert_eq!((test.status, &test.json()["test"]["outcome"]), (200, &json!("delivered")));
}

#[tokio::test]
async fn a_failing_proxy_uses_up_no_attempt_of_a_webhook_and_opens_no_circuit_breaker() {
    let n_faults = 6;
    let faults = [REFUSED_BY_THE_PROXY, ProxyAction::Close].repeat(n_faults * 12 / 2);
    let proxy = ForwardProxy::start(faults);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_behind(&proxy.url()).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(
            accept_and_process(&app, json!({ "url": receiver.url("/").as_str(), "retry": false })).await,
        );
    }
    for _ in 0..n_faults {
        assert_eq!(
            send(&app).await,
            8,
            "the circuit breaker is closed, and the concurrency limit is unchanged"
        );
        assert_eq!(send(&app).await, 4);
        app.clock.advance(5_000);
    }
    let waiting = history(&app, &ids[0]).await;
    assert_eq!((&waiting["status"], &waiting["waits_for"]), (&json!("scheduled"), &json!("local_trouble")));
    assert_eq!(waiting.get("attempts"), None);
    assert_eq!((send(&app).await, send(&app).await), (8, 4));
    for id in &ids {
        let webhook = history(&app, id).await;
        assert_eq!((&webhook["status"], &webhook["attempts"][0]["number"]), (&json!("delivered"), &json!(1)));
    }
    assert_eq!(receiver.requests().len(), 12);
}

#[tokio::test]
async fn a_running_dispatcher_pauses_all_webhooks_while_the_proxy_fails() {
    let proxy = ForwardProxy::start(vec![REFUSED_BY_THE_PROXY]);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_behind(&proxy.url()).await;
    let second = accept_and_process(&app, json!({ "url": receiver.url("/").as_str(), "delay": 60 })).await;
    let first = accept_and_process(&app, json!({ "url": receiver.url("/").as_str() })).await;
    let tasks = Tasks::new();
    tasks.spawn("webhooks", app.dispatcher.clone().run(tasks.clone()));
    while history(&app, &first).await["waits_for"] != "local_trouble" {}
    app.clock.advance(60_000);
    assert_eq!(
        send_test(&app, &receiver).await.status,
        200,
        "a test delivery does not wait for the end of the pause"
    );
    assert!(tasks.stop(Duration::from_secs(10)).await, "a stop does not wait for the end of the pause");
    assert_eq!(history(&app, &second).await["waits_for"], "delay");
    assert_eq!(receiver.requests().len(), 1, "only the test delivery was sent");
}

#[tokio::test]
async fn a_connection_that_the_receiver_behind_the_proxy_refuses_counts_as_an_attempt() {
    let closed = ClosedPort::reserve();
    let proxy = ForwardProxy::start(vec![]);
    let app = app_behind(&proxy.url()).await;
    let id = accept_and_process(&app, json!({ "url": format!("http://{}/", closed.address) })).await;
    assert_eq!(send(&app).await, 1);
    let webhook = history(&app, &id).await;
    assert_eq!(
        (&webhook["attempts"][0]["outcome"], &webhook["waits_for"]),
        (&json!("refused"), &json!("retry"))
    );
}

#[tokio::test]
async fn a_webhook_that_expires_while_the_proxy_fails_becomes_failed() {
    let proxy = ForwardProxy::start(vec![REFUSED_BY_THE_PROXY; 2]);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_behind(&proxy.url()).await;
    let id = accept_and_process(&app, json!({ "url": receiver.url("/").as_str(), "expires": 10 })).await;
    for _ in 0..2 {
        assert_eq!(send(&app).await, 1);
        app.clock.advance(5_000);
    }
    assert_eq!(send(&app).await, 0);
    let webhook = history(&app, &id).await;
    assert_eq!((&webhook["status"], &webhook["reason"]), (&json!("failed"), &json!("expired")));
    assert_eq!((webhook.get("attempts"), receiver.n_connections()), (None, 0));
}

#[tokio::test]
async fn the_response_to_a_test_notification_reports_a_failing_proxy() {
    let proxy = ForwardProxy::start(vec![REFUSED_BY_THE_PROXY]);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_behind(&proxy.url()).await;
    let test = send_test(&app, &receiver).await;
    let expected = json!("the server could not use its proxy at the moment");
    assert_eq!((test.status, &test.json()["message"]), (503, &expected));
}
