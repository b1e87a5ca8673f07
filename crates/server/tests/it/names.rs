//! Webhooks to host names, with a DNS server of the test. Names that do not resolve must not delay or fail
//! webhooks to other names.

use std::time::Duration;

use pixaven::runtime::lifecycle::Tasks;
use pixaven_imaging::plan::Format;
use pixaven_testkit::name_server::{NameServer, Reply};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use serde_json::{Value, json};

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// Starts a server that sends its DNS questions to `names`, and that does not send webhooks by itself.
async fn app_with(names: &NameServer) -> TestApp {
    TestApp::start_with(&[("network.name_servers", &names.setting())]).await
}

/// Accepts a request with one attempt for its webhook, which goes to `host` at the receiver's port, and
/// processes its image. Returns the request's id.
async fn accept(app: &TestApp, host: &str, receiver: &ScriptedReceiver) -> String {
    let url = format!("http://{host}:{}/", receiver.address.port());
    let webhook = json!({ "webhook": { "url": url, "retry": false } });
    let response = app.upload("a.png", &test_image(4, 4, Format::Png), &webhook).await;
    assert_eq!(response.status, 202, "{}", response.json());
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    response.json()["id"].as_str().expect("the response has an id").to_owned()
}

async fn webhook(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/1.0/webhooks/{id}")).await.json()["webhook"].clone()
}

#[tokio::test]
async fn webhooks_to_resolvable_host_names_are_delivered_while_250_dns_lookups_get_no_answer() {
    let names = NameServer::silent_unless(|name| name.starts_with("healthy"));
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = app_with(&names).await;
    let (mut silent, mut healthy) = (Vec::new(), Vec::new());
    for i in 0..250 {
        silent.push(accept(&app, &format!("silent-{i}.test"), &receiver).await);
    }
    let tasks = Tasks::new();
    tasks.spawn("webhooks", app.dispatcher.clone().run(tasks.clone()));
    // The server has asked for both address families of each silent name before the first healthy name is
    // used.
    names.wait_for_questions(500).await;
    for i in 0..20 {
        healthy.push(accept(&app, &format!("healthy-{i}.test"), &receiver).await);
        receiver.wait_for_requests(i + 1).await;
    }
    for id in &silent {
        while webhook(&app, id).await["status"] != "failed" {
            tokio::task::yield_now().await;
        }
    }
    assert!(tasks.stop(Duration::from_secs(10)).await);
    for id in &healthy {
        let webhook = webhook(&app, id).await;
        assert_eq!((&webhook["status"], &webhook["attempts"][0]["number"]), (&json!("delivered"), &json!(1)));
    }
    for id in &silent {
        let webhook = webhook(&app, id).await;
        assert_eq!(webhook["attempts"][0]["outcome"], "dns", "{webhook}");
    }
}

#[tokio::test]
async fn a_webhook_to_a_host_name_uses_up_no_attempt_while_no_dns_lookup_succeeds() {
    for reply in [Reply::Silence, Reply::Failure] {
        let always = reply.clone();
        let names = NameServer::start(move |_| always.clone());
        let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
        let app = app_with(&names).await;
        let id = accept(&app, "a.test", &receiver).await;
        assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
        let webhook = webhook(&app, &id).await;
        assert_eq!(
            (&webhook["status"], &webhook["waits_for"], webhook.get("attempts")),
            (&json!("scheduled"), &json!("local_trouble"), None),
            "{reply:?}"
        );
    }
}
