//! What users can do to webhooks, secrets and requests, through the API.

use pixaven::delivery::signing::{SignedHeaders, SigningKey, verify};
use pixaven_imaging::plan::Format;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::request::ReceivedRequest;
use pixaven_testkit::script::{Action, respond, respond_status};
use pixaven_testkit::wire_client::{self, WireResponse};
use serde_json::{Value, json};

use crate::pictures::picture;
use crate::test_app::TestApp;

async fn accept(app: &TestApp, receiver: &ScriptedReceiver, more: Value) -> String {
    let mut webhook = json!({ "url": receiver.url("/hook").as_str() });
    let (all, more) = (webhook.as_object_mut(), more.as_object());
    all.expect("an object").extend(more.expect("an object").clone());
    let reply = app.upload("a.png", &picture(8, 8, Format::Png), &json!({ "webhook": webhook })).await;
    assert_eq!(reply.status, 202, "{}", reply.json());
    reply.json()["id"].as_str().expect("an id").to_owned()
}

async fn post(app: &TestApp, path: &str, body: &Value) -> WireResponse {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    app.call("POST", path, &[("Content-Type", "application/json")], body.as_bytes()).await
}

/// The answer's status with the webhook in it, or with the error's word.
async fn act(app: &TestApp, id: &str, what: &str) -> (u16, Value) {
    let reply = post(app, &format!("/1.0/webhooks/{id}/{what}"), &Value::Null).await;
    let json = reply.json();
    (reply.status, if reply.status == 200 { json["webhook"].clone() } else { json["error"].clone() })
}

async fn process(app: &TestApp) {
    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);
}

async fn send(app: &TestApp) {
    assert_eq!(app.dispatcher.step().await.expect("webhooks are sent"), 1);
}

fn is_signed_with(request: &ReceivedRequest, secret: &str, now_ms: i64) -> bool {
    let header = |name| request.header(name).expect("it is signed");
    let headers = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let key = SigningKey::parse(secret).expect("a secret");
    verify(&key, headers, &request.body, now_ms / 1_000, 0).is_ok()
}

#[tokio::test]
async fn a_webhook_is_sent_again_when_somebody_asks() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(410), respond_status(200)]);
    let id = accept(&app, &receiver, json!({})).await;
    assert_eq!(act(&app, &id, "resend").await, (409, json!("conflict")), "there is nothing to send yet");
    process(&app).await;
    send(&app).await;
    let (code, webhook) = act(&app, &id, "resend").await;
    assert_eq!(
        (code, &webhook["status"], &webhook["waits_for"]),
        (200, &json!("scheduled"), &json!("resend"))
    );
    assert_eq!((webhook.get("failed"), webhook.get("reason")), (None, None));
    send(&app).await;
    let sent = receiver.requests();
    assert_eq!((&sent[0].body, sent[0].header("webhook-id")), (&sent[1].body, sent[1].header("webhook-id")));
    assert_eq!(sent[1].header("webhook-attempt"), Some("2"));
    let other = "00000000-0000-4000-8000-000000000000";
    assert_eq!(act(&app, other, "resend").await, (404, json!("not_found")));
    assert_eq!(act(&app, "no-id", "cancel").await, (404, json!("not_found")));
}

#[tokio::test]
async fn a_webhook_is_cancelled_while_it_waits() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let created = accept(&app, &receiver, json!({})).await;
    let (code, webhook) = act(&app, &created, "cancel").await;
    assert_eq!((code, &webhook["status"], &webhook["reason"]), (200, &json!("failed"), &json!("cancelled")));
    assert_eq!(app.jobs.step().await.expect("jobs run"), 0);

    let delayed = accept(&app, &receiver, json!({ "delay": 60 })).await;
    process(&app).await;
    assert_eq!(act(&app, &delayed, "cancel").await.0, 200);
    app.clock.advance(60_000);
    assert_eq!(app.dispatcher.step().await.expect("nothing is due"), 0);
    assert_eq!(act(&app, &delayed, "cancel").await, (409, json!("conflict")));
    assert_eq!(receiver.n_connections(), 0);
}

#[tokio::test]
async fn an_address_can_be_tried_out() {
    let app = TestApp::start().await;
    let receiver =
        ScriptedReceiver::start(vec![respond("HTTP/1.1 418 Teapot\r\ncontent-length: 5\r\n\r\nshort")]);
    let url = format!("http://user:word@{}/hook", receiver.address);
    let reply =
        post(&app, "/1.0/webhooks/test", &json!({ "url": url, "headers": { "X-Mine": "yes" } })).await;
    let happened = &reply.json()["test"];
    assert_eq!((reply.status, &happened["outcome"]), (200, &json!("rejected")), "{happened}");
    assert_eq!((&happened["status"], &happened["response"]), (&json!(418), &json!("short")));
    assert_eq!(happened["address"], receiver.address.to_string());
    assert!(happened["timings_ms"]["connect"].is_u64() && !happened.to_string().contains("word@"));
    let sent = &receiver.requests()[0];
    assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), happened["payload"]);
    assert_eq!((sent.header("x-mine"), sent.header("webhook-attempt")), (Some("yes"), Some("1")));
    let secrets = app.get("/1.0/secrets").await.json();
    assert!(is_signed_with(sent, secrets["secrets"][0]["secret"].as_str().unwrap(), app.clock.now_ms()));
    let list = app.get("/1.0/webhooks").await.json();
    assert_eq!(list["total"], 0, "nothing of it is kept");

    let blocked = post(&app, "/1.0/webhooks/test", &json!({ "url": "http://10.1.2.3/" })).await.json();
    assert_eq!(blocked["test"]["outcome"], "blocked_address");
    assert_eq!(blocked["test"]["error"], "the host could not be reached");
    for (body, message) in [
        (json!({}), "webhook.url is required"),
        (json!({ "url": "ftp://example.com/" }), "webhook.url must be"),
        (json!({ "url": "http://example.com/", "headers": { "Host": "x" } }), "webhook.headers.Host cannot"),
    ] {
        let reply = post(&app, "/1.0/webhooks/test", &body).await;
        let json = reply.json();
        assert!(reply.status == 422 && json["message"].as_str().unwrap().starts_with(message), "{json}");
    }
    assert_eq!(post(&app, "/1.0/webhooks/test", &json!([])).await.status, 400);
}

#[tokio::test]
async fn a_result_can_be_waited_for() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let id = accept(&app, &receiver, json!({ "delay": 3600 })).await;
    let path = format!("/1.0/requests/{id}");
    let now = app.get(&path).await;
    assert_eq!((now.status, &now.json()["request"]["status"]), (202, &json!("processing")));
    let waiting = format!("{path}?wait=60");
    let (reply, ()) = tokio::join!(app.get(&waiting), process(&app));
    let request = &reply.json()["request"];
    assert_eq!(
        (reply.status, &request["status"], &request["webhook"]),
        (200, &json!("finished"), &json!("scheduled"))
    );
    assert_eq!((&request["result"]["id"], &request["result"]["success"]), (&json!(id), &json!(true)));
    for (wait, expected) in [("wait=0", 200), ("wait=61", 422), ("wait=-1", 422), ("wait=soon", 422)] {
        assert_eq!(app.get(&format!("{path}?{wait}")).await.status, expected, "{wait}");
    }
    assert_eq!(app.get("/1.0/requests/00000000-0000-4000-8000-000000000000?wait=9").await.status, 404);
    let cancelled = accept(&app, &receiver, json!({})).await;
    let path = format!("/1.0/requests/{cancelled}?wait=60");
    let (reply, (code, _)) = tokio::join!(app.get(&path), act(&app, &cancelled, "cancel"));
    assert_eq!((code, &reply.json()["request"]["status"]), (200, &json!("cancelled")));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_those_who_wait() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![vec![Action::Hang]]);
    let id = accept(&app, &receiver, json!({})).await;
    let (address, key) = (app.address, format!("Bearer {}", app.key));
    let path = format!("/1.0/requests/{id}?wait=60");
    let headers = [("Authorization", key.as_str())];
    let asked = wire_client::send(address, "GET", &path, &headers, b"");
    tokio::pin!(asked);
    tokio::select! {
        _ = &mut asked => panic!("there is no result"),
        // Another request's way through the server is long enough for the first to have begun to wait.
        _ = app.get("/healthz") => {}
    }
    let (reply, _directory) = tokio::join!(asked, app.stop());
    assert_eq!(reply.status, 202);
}

#[tokio::test]
async fn secrets_are_rotated_with_an_overlap() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let secrets = |reply: &WireResponse| -> Vec<(String, bool)> {
        let json = reply.json();
        let all = json["secrets"].as_array().expect("a list").iter();
        all.map(|one| (one["secret"].as_str().unwrap().to_owned(), one.get("retires").is_some())).collect()
    };
    let before = secrets(&app.get("/1.0/secrets").await);
    let rotated = secrets(&post(&app, "/1.0/secrets/rotate", &json!({ "overlap": 3600 })).await);
    let [(new, false), (old, true)] = &rotated[..] else { panic!("{rotated:?}") };
    assert_eq!(before, [(old.clone(), false)]);
    accept(&app, &receiver, json!({})).await;
    process(&app).await;
    send(&app).await;
    let sent = &receiver.requests()[0];
    for secret in [new, old] {
        assert!(is_signed_with(sent, secret, app.clock.now_ms()));
    }
    app.clock.advance(3_600_000);
    assert_eq!(secrets(&app.get("/1.0/secrets").await), [(new.clone(), false)]);
    assert_eq!(secrets(&post(&app, "/1.0/secrets/rotate", &json!({ "overlap": 0 })).await).len(), 1);
    for overlap in [json!(-1), json!(2_592_001), json!("x"), json!(1.5)] {
        assert_eq!(post(&app, "/1.0/secrets/rotate", &json!({ "overlap": overlap })).await.status, 422);
    }
    assert_eq!(wire_client::send(app.address, "GET", "/1.0/secrets", &[], b"").await.status, 401);
}

#[tokio::test]
async fn many_webhooks_are_sent_again() {
    let app = TestApp::start().await;
    let receiver =
        ScriptedReceiver::start([vec![respond_status(410); 3], vec![respond_status(200)]].concat());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(accept(&app, &receiver, json!({})).await);
        process(&app).await;
        send(&app).await;
    }
    let all = "/1.0/webhooks/resend";
    let tried = post(&app, all, &json!({ "dry_run": true, "host": "127.0.0.1" })).await;
    assert_eq!((tried.status, &tried.json()["total"]), (200, &json!(3)));
    let elsewhere = post(&app, all, &json!({ "dry_run": true, "host": "example.com" })).await;
    assert_eq!(elsewhere.json()["total"], 0);
    assert_eq!(app.dispatcher.step().await.expect("nothing is due"), 0, "a trial changes nothing");

    app.clock.advance(1);
    let started = post(&app, all, &json!({ "rate": 10 })).await;
    let resend = &started.json()["resend"];
    assert_eq!((started.status, &resend["total"], &resend["status"]), (202, &json!(3), &json!("running")));
    let path = format!("{all}/{}", resend["id"].as_str().expect("an id"));
    for _ in 0..3 {
        send(&app).await;
        app.clock.advance(100);
    }
    assert_eq!(app.dispatcher.step().await.expect("that was all"), 0);
    let ended = app.get(&path).await.json();
    let ended = &ended["resend"];
    assert_eq!(
        (&ended["status"], &ended["resent"], &ended["skipped"]),
        (&json!("ended"), &json!(3), &json!(0))
    );
    let list = app.get("/1.0/webhooks?status=delivered&host=127.0.0.1&limit=2").await.json();
    assert_eq!((&list["total"], list["webhooks"].as_array().map(Vec::len)), (&json!(3), Some(2)));
    let cursor = list["cursor"].as_str().expect("there is more");
    let rest = app.get(&format!("/1.0/webhooks?status=delivered&limit=2&cursor={cursor}")).await.json();
    assert_eq!((&rest["webhooks"][0]["id"], rest.get("cursor")), (&json!(ids[0]), None));

    assert_eq!(post(&app, &format!("{path}/stop"), &Value::Null).await.json()["resend"]["status"], "ended");
    for (path, code) in [("/1.0/webhooks/resend/9", 404), ("/1.0/webhooks/resend/x", 404)] {
        assert_eq!(app.get(path).await.status, code, "{path}");
    }
    for (body, message) in [
        (json!({ "states": "failed" }), "states is not known here"),
        (json!({ "status": "lost" }), "status must be"),
        (json!({ "status": 7 }), "status must be a text, got 7"),
        (json!({ "rate": 0 }), "rate must be"),
        (json!({ "dry_run": "yes" }), "dry_run must be true or false"),
    ] {
        let reply = post(&app, all, &body).await;
        let json = reply.json();
        assert!(
            reply.status == 422 && json["message"].as_str().is_some_and(|text| text.starts_with(message)),
            "{json}"
        );
    }
}
