//! Tests the management of webhooks through the API: resends, cancellation, test notifications, waiting for
//! results, and signing secrets.

use pixaven::delivery::signing::{SignedHeaders, SigningKey, verify};
use pixaven_imaging::plan::Format;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::request::ReceivedRequest;
use pixaven_testkit::script::{Action, respond, respond_status};
use pixaven_testkit::wire_client::{self, WireResponse};
use serde_json::{Value, json};

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// Sends a request with a webhook, which the server must accept. `options` are additional members of the JSON
/// object `webhook`. Returns the request's id.
async fn accept(app: &TestApp, receiver: &ScriptedReceiver, options: Value) -> String {
    let mut webhook = json!({ "url": receiver.url("/hook").as_str() });
    let (webhook_object, options) = (webhook.as_object_mut(), options.as_object());
    webhook_object.expect("the JSON is an object").extend(options.expect("the JSON is an object").clone());
    let response = app.upload("a.png", &test_image(8, 8, Format::Png), &json!({ "webhook": webhook })).await;
    assert_eq!(response.status, 202, "{}", response.json());
    response.json()["id"].as_str().expect("the response has an id").to_owned()
}

/// Sends a POST request with the JSON `body`. If `body` is null, the request has an empty body.
async fn post(app: &TestApp, path: &str, body: &Value) -> WireResponse {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    app.call("POST", path, &[("Content-Type", "application/json")], body.as_bytes()).await
}

/// Resends or cancels a webhook. Returns the HTTP status of the response. With the status 200 also returns
/// the webhook, and with any other status the error word, such as `conflict`.
async fn manage(app: &TestApp, id: &str, action: &str) -> (u16, Value) {
    let response = post(app, &format!("/1.0/webhooks/{id}/{action}"), &Value::Null).await;
    let json = response.json();
    (response.status, if response.status == 200 { json["webhook"].clone() } else { json["error"].clone() })
}

/// Runs the only job that is due, which processes the image of a request.
async fn process(app: &TestApp) {
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
}

/// Sends the only webhook that is due, and checks that only one is due.
async fn send(app: &TestApp) {
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
}

/// Returns whether the signature of a webhook is valid for the signing secret `secret`.
fn is_signed_with(request: &ReceivedRequest, secret: &str, now_ms: i64) -> bool {
    let header = |name| request.header(name).expect("the request is signed");
    let headers = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let key = SigningKey::parse(secret).expect("the text is a secret");
    verify(&key, headers, &request.body, now_ms / 1_000, 0).is_ok()
}

#[tokio::test]
async fn a_webhook_can_be_resent_only_after_the_image_of_its_request_has_been_processed() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(410), respond_status(200)]);
    let id = accept(&app, &receiver, json!({})).await;
    assert_eq!(
        manage(&app, &id, "resend").await,
        (409, json!("conflict")),
        "a webhook cannot be resent before its image is processed"
    );
    process(&app).await;
    send(&app).await;
    let (code, webhook) = manage(&app, &id, "resend").await;
    assert_eq!(
        (code, &webhook["status"], &webhook["waits_for"]),
        (200, &json!("scheduled"), &json!("resend"))
    );
    assert_eq!((webhook.get("failed"), webhook.get("reason")), (None, None));
    send(&app).await;
    let sent = receiver.requests();
    assert_eq!((&sent[0].body, sent[0].header("webhook-id")), (&sent[1].body, sent[1].header("webhook-id")));
    assert_eq!(sent[1].header("webhook-attempt"), Some("2"));
    let unknown_id = "00000000-0000-4000-8000-000000000000";
    assert_eq!(manage(&app, unknown_id, "resend").await, (404, json!("not_found")));
    assert_eq!(manage(&app, "no-id", "cancel").await, (404, json!("not_found")));
}

#[tokio::test]
async fn a_webhook_that_waits_for_an_attempt_can_be_cancelled() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let created = accept(&app, &receiver, json!({})).await;
    let (code, webhook) = manage(&app, &created, "cancel").await;
    assert_eq!((code, &webhook["status"], &webhook["reason"]), (200, &json!("failed"), &json!("cancelled")));
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 0);

    let delayed = accept(&app, &receiver, json!({ "delay": 60 })).await;
    process(&app).await;
    assert_eq!(manage(&app, &delayed, "cancel").await.0, 200);
    app.clock.advance(60_000);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 0);
    assert_eq!(manage(&app, &delayed, "cancel").await, (409, json!("conflict")));
    assert_eq!(receiver.n_connections(), 0);
}

#[tokio::test]
async fn a_request_for_a_test_notification_gets_the_attempt_in_the_response_and_stores_no_webhook() {
    let app = TestApp::start().await;
    let receiver =
        ScriptedReceiver::start(vec![respond("HTTP/1.1 418 Teapot\r\ncontent-length: 5\r\n\r\nshort")]);
    let url = format!("http://user:word@{}/hook", receiver.address);
    let response =
        post(&app, "/1.0/webhooks/test", &json!({ "url": url, "headers": { "X-Mine": "yes" } })).await;
    let attempt = &response.json()["test"];
    assert_eq!((response.status, &attempt["outcome"]), (200, &json!("rejected")), "{attempt}");
    assert_eq!((&attempt["status"], &attempt["response"]), (&json!(418), &json!("short")));
    assert_eq!(attempt["address"], receiver.address.to_string());
    assert!(attempt["timings_ms"]["connect"].is_u64() && !attempt.to_string().contains("word@"));
    let sent = &receiver.requests()[0];
    assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), attempt["payload"]);
    assert_eq!((sent.header("x-mine"), sent.header("webhook-attempt")), (Some("yes"), Some("1")));
    let secrets = app.get("/1.0/secrets").await.json();
    assert!(is_signed_with(sent, secrets["secrets"][0]["secret"].as_str().unwrap(), app.clock.now_ms()));
    let list = app.get("/1.0/webhooks").await.json();
    assert_eq!(list["total"], 0, "a test delivery is not in the list");

    let blocked = post(&app, "/1.0/webhooks/test", &json!({ "url": "http://10.1.2.3/" })).await.json();
    assert_eq!(blocked["test"]["outcome"], "blocked_address");
    assert_eq!(
        blocked["test"]["error"],
        "the address policy of this server forbids a connection to the host: its address is not public, and `network.allow` does not contain it"
    );
    for (body, message) in [
        (json!({}), "webhook.url is required"),
        (json!([]), "webhook.url is required"),
        (json!({ "url": "ftp://example.com/" }), "webhook.url must be"),
        (json!({ "url": "http://example.com/", "headers": { "Host": "x" } }), "webhook.headers.Host cannot"),
    ] {
        let response = post(&app, "/1.0/webhooks/test", &body).await;
        let json = response.json();
        assert!(response.status == 422 && json["message"].as_str().unwrap().starts_with(message), "{json}");
    }
    assert_eq!(post(&app, "/1.0/webhooks/test", &json!([1])).await.status, 400);
}

#[tokio::test]
async fn a_status_request_with_the_parameter_wait_is_answered_as_soon_as_the_result_is_ready() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let id = accept(&app, &receiver, json!({ "delay": 3600 })).await;
    let path = format!("/1.0/requests/{id}");
    let unfinished = app.get(&path).await;
    assert_eq!((unfinished.status, &unfinished.json()["request"]["status"]), (202, &json!("processing")));
    let waiting_path = format!("{path}?wait=60");
    let (response, ()) = tokio::join!(app.get(&waiting_path), process(&app));
    let request = &response.json()["request"];
    assert_eq!(
        (response.status, &request["status"], &request["webhook"]),
        (200, &json!("finished"), &json!("scheduled"))
    );
    assert_eq!((&request["result"]["id"], &request["result"]["success"]), (&json!(id), &json!(true)));
    for (wait, expected) in [("wait=0", 200), ("wait=61", 422), ("wait=-1", 422), ("wait=soon", 422)] {
        assert_eq!(app.get(&format!("{path}?{wait}")).await.status, expected, "{wait}");
    }
    assert_eq!(app.get("/1.0/requests/00000000-0000-4000-8000-000000000000?wait=9").await.status, 404);
    let cancelled = accept(&app, &receiver, json!({})).await;
    let path = format!("/1.0/requests/{cancelled}?wait=60");
    let (response, (code, _)) = tokio::join!(app.get(&path), manage(&app, &cancelled, "cancel"));
    assert_eq!((code, &response.json()["request"]["status"]), (200, &json!("cancelled")));
}

#[tokio::test]
async fn a_stopping_server_responds_at_once_to_requests_that_wait_for_a_result() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![vec![Action::Hang]]);
    let id = accept(&app, &receiver, json!({})).await;
    let (address, key) = (app.address, format!("Bearer {}", app.key));
    let path = format!("/1.0/requests/{id}?wait=60");
    let headers = [("Authorization", key.as_str())];
    let pending = wire_client::send(address, "GET", &path, &headers, b"");
    tokio::pin!(pending);
    tokio::select! {
        _ = &mut pending => panic!("the request ended before its image was processed"),
        // When the response of `/healthz` arrives, the server already waits for the result of the first
        // request.
        _ = app.get("/healthz") => {}
    }
    let (response, _directory) = tokio::join!(pending, app.stop());
    assert_eq!(response.status, 202);
}

#[tokio::test]
async fn an_old_signing_secret_stays_valid_for_the_overlap_time_after_a_rotation() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let secrets = |response: &WireResponse| -> Vec<(String, bool)> {
        let json = response.json();
        let all = json["secrets"].as_array().expect("the JSON has the list").iter();
        all.map(|one| (one["secret"].as_str().unwrap().to_owned(), one.get("retires").is_some())).collect()
    };
    let (shown, rotated) =
        (app.get("/1.0/secrets").await, post(&app, "/1.0/secrets/rotate", &json!({ "overlap": 3600 })).await);
    for response in [&shown, &rotated] {
        assert_eq!(response.header("Cache-Control"), Some("no-store"), "the response contains secrets");
        assert_eq!(response.header("Strict-Transport-Security"), None, "the server has no TLS");
    }
    let (before, rotated) = (secrets(&shown), secrets(&rotated));
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
async fn all_webhooks_that_match_a_filter_can_be_resent_with_one_request() {
    let app = TestApp::start().await;
    let receiver =
        ScriptedReceiver::start([vec![respond_status(410); 3], vec![respond_status(200)]].concat());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(accept(&app, &receiver, json!({})).await);
        process(&app).await;
        send(&app).await;
    }
    let resend_path = "/1.0/webhooks/resend";
    let dry_run = post(&app, resend_path, &json!({ "dry_run": true, "host": "127.0.0.1" })).await;
    assert_eq!((dry_run.status, &dry_run.json()["total"]), (200, &json!(3)));
    let other_host = post(&app, resend_path, &json!({ "dry_run": true, "host": "example.com" })).await;
    assert_eq!(other_host.json()["total"], 0);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 0, "a dry run resends nothing");

    // The three webhooks were accepted on 2026-01-10.
    for (day, expected) in [("2026-01-09", 0), ("2026-01-10", 3), ("2026-01-11", 0)] {
        let list = app.get(&format!("/1.0/webhooks?start={day}&end={day}")).await.json();
        let same_day = json!({ "dry_run": true, "start": day, "end": day });
        let dry_run = post(&app, resend_path, &same_day).await.json();
        assert_eq!((&list["total"], &dry_run["total"]), (&json!(expected), &json!(expected)), "{day}");
    }

    app.clock.advance(1);
    let started = post(&app, resend_path, &json!({ "rate": 10, "status": "failed" })).await;
    let resend = &started.json()["resend"];
    assert_eq!((started.status, &resend["total"], &resend["status"]), (202, &json!(3), &json!("running")));
    let path = format!("{resend_path}/{}", resend["id"].as_str().expect("the response has an id"));
    for _ in 0..3 {
        send(&app).await;
        app.clock.advance(100);
    }
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 0);
    let ended = app.get(&path).await.json();
    let ended = &ended["resend"];
    assert_eq!(
        (&ended["status"], &ended["resent"], &ended["skipped"]),
        (&json!("ended"), &json!(3), &json!(0))
    );
    let list = app.get("/1.0/webhooks?status=delivered&host=127.0.0.1&limit=2").await.json();
    assert_eq!((&list["total"], list["webhooks"].as_array().map(Vec::len)), (&json!(3), Some(2)));
    let cursor = list["cursor"].as_str().expect("the list has a next page");
    let rest = app.get(&format!("/1.0/webhooks?status=delivered&limit=2&cursor={cursor}")).await.json();
    assert_eq!((&rest["webhooks"][0]["id"], rest.get("cursor")), (&json!(ids[0]), None));

    assert_eq!(post(&app, &format!("{path}/stop"), &Value::Null).await.json()["resend"]["status"], "ended");
    for (path, code) in [("/1.0/webhooks/resend/9", 404), ("/1.0/webhooks/resend/x", 404)] {
        assert_eq!(app.get(path).await.status, code, "{path}");
    }
    for (body, message) in [
        (json!({ "states": "failed" }), "states is not known here"),
        (json!({ "status": "lost" }), "status must be"),
        (json!({ "status": 7 }), "status must be a text, got a number"),
        (json!({}), "at least one of the filters status, host, start and end is required"),
        (json!([]), "at least one of the filters"),
        (json!({ "rate": 10 }), "at least one of the filters"),
        (json!({ "dry_run": true, "status": null, "host": "" }), "at least one of the filters"),
        (json!({ "status": "failed", "rate": 0 }), "rate must be"),
        (json!({ "status": "failed", "dry_run": "yes" }), "dry_run must be true or false"),
    ] {
        let response = post(&app, resend_path, &body).await;
        let json = response.json();
        assert!(
            response.status == 422 && json["message"].as_str().is_some_and(|text| text.starts_with(message)),
            "{json}"
        );
    }
}
