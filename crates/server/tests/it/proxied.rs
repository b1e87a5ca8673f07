//! Webhooks through a forward proxy, from the request to the history.

use std::time::Duration;

use pixaven::runtime::lifecycle::Tasks;
use pixaven_imaging::plan::Format;
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::proxy::{ForwardProxy, ProxyAction};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use pixaven_testkit::wire_client::WireResponse;
use serde_json::{Value, json};

use crate::pictures::picture;
use crate::test_app::TestApp;

const REFUSED_BY_THE_PROXY: ProxyAction =
    ProxyAction::Respond("HTTP/1.1 407 Who Are You\r\ncontent-length: 0\r\n\r\n");

async fn app_behind(proxy: &str) -> TestApp {
    TestApp::start_with(&[("webhooks.proxy", proxy)]).await
}

/// Accepts a request and processes it: its webhook is due now.
async fn accept(app: &TestApp, webhook: Value) -> String {
    let reply = app.upload("a.png", &picture(4, 4, Format::Png), &json!({ "webhook": webhook })).await;
    assert_eq!(reply.status, 202, "{}", reply.json());
    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);
    reply.json()["id"].as_str().expect("an id").to_owned()
}

async fn send(app: &TestApp) -> usize {
    app.dispatcher.step().await.expect("the ledger answers")
}

async fn history(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/1.0/webhooks/{id}")).await.json()["webhook"].clone()
}

async fn try_out(app: &TestApp, receiver: &ScriptedReceiver) -> WireResponse {
    let body = json!({ "url": receiver.url("/").as_str() }).to_string();
    app.call("POST", "/1.0/webhooks/test", &[("Content-Type", "application/json")], body.as_bytes()).await
}

#[tokio::test]
async fn webhooks_go_through_the_proxy_with_what_it_is_to_be_shown() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let directory = tempfile::tempdir().unwrap();
    let credentials = directory.path().join("proxy.txt");
    std::fs::write(&credentials, "Aladdin:open sesame\n").unwrap();
    let settings =
        [("webhooks.proxy", proxy.url()), ("webhooks.proxy_credentials", credentials.display().to_string())];
    let settings = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
    let app = TestApp::start_with(&settings).await;
    let id = accept(&app, json!({ "url": receiver.url("/hook").as_str() })).await;
    assert_eq!(send(&app).await, 1);

    let webhook = history(&app, &id).await;
    assert_eq!(webhook["status"], "delivered", "{webhook}");
    assert_eq!(webhook["attempts"][0]["address"], receiver.address.to_string());
    let [asked] = <[_; 1]>::try_from(proxy.requests()).unwrap();
    assert_eq!(asked.header("proxy-authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    assert_eq!(receiver.requests()[0].header("proxy-authorization"), None);

    let tried = try_out(&app, &receiver).await;
    assert_eq!((tried.status, &tried.json()["test"]["outcome"]), (200, &json!("delivered")));
}

#[tokio::test]
async fn trouble_with_the_proxy_uses_up_nothing_and_blames_nobody() {
    let n_faults = 6;
    let faults = [REFUSED_BY_THE_PROXY, ProxyAction::Close].repeat(n_faults * 12 / 2);
    let proxy = ForwardProxy::start(faults);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_behind(&proxy.url()).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(accept(&app, json!({ "url": receiver.url("/").as_str(), "retry": false })).await);
    }
    for _ in 0..n_faults {
        assert_eq!(
            send(&app).await,
            8,
            "as many as the receiver may get at once: no breaker, no smaller cap"
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
async fn a_running_driver_leaves_the_others_alone_while_the_proxy_is_of_no_use() {
    let proxy = ForwardProxy::start(vec![REFUSED_BY_THE_PROXY]);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_behind(&proxy.url()).await;
    let tasks = Tasks::new();
    tasks.spawn("webhooks", app.dispatcher.clone().run(tasks.clone()));
    let webhook = json!({ "url": receiver.url("/").as_str() });
    let first = accept(&app, webhook.clone()).await;
    while history(&app, &first).await["waits_for"] != "local_trouble" {}
    let second = accept(&app, webhook).await;
    assert_eq!(try_out(&app, &receiver).await.status, 200, "what asks for it itself is not held back");
    assert!(tasks.stop(Duration::from_secs(10)).await, "a stop does not wait for the end of the pause");
    assert_eq!(history(&app, &second).await["waits_for"], "delay");
    assert_eq!(receiver.requests().len(), 1, "the trial");
}

#[tokio::test]
async fn what_the_proxy_says_of_a_receiver_counts_for_the_receiver() {
    let closed = ClosedPort::reserve();
    let proxy = ForwardProxy::start(vec![]);
    let app = app_behind(&proxy.url()).await;
    let id = accept(&app, json!({ "url": format!("http://{}/", closed.address) })).await;
    assert_eq!(send(&app).await, 1);
    let webhook = history(&app, &id).await;
    assert_eq!(
        (&webhook["attempts"][0]["outcome"], &webhook["waits_for"]),
        (&json!("refused"), &json!("retry"))
    );
}

#[tokio::test]
async fn what_expires_while_the_proxy_is_of_no_use_fails() {
    let proxy = ForwardProxy::start(vec![REFUSED_BY_THE_PROXY; 2]);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_behind(&proxy.url()).await;
    let id = accept(&app, json!({ "url": receiver.url("/").as_str(), "expires": 10 })).await;
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
async fn a_trial_says_that_the_proxy_is_of_no_use() {
    let proxy = ForwardProxy::start(vec![REFUSED_BY_THE_PROXY]);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_behind(&proxy.url()).await;
    let tried = try_out(&app, &receiver).await;
    let expected = json!("the server could not use its proxy at the moment");
    assert_eq!((tried.status, &tried.json()["message"]), (503, &expected));
}
