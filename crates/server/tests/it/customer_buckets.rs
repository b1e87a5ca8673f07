//! Tests of the attribute `store`: results that the server stores in a bucket of the customer.

use pixaven_imaging::plan::Format;
use pixaven_testkit::bucket::{AzureKeys, FakeBucket, S3Keys};
use pixaven_testkit::forbidden_hosts::FORBIDDEN_HOSTS;
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond_status};
use pixaven_testkit::wire_client::WireResponse;
use serde_json::{Value, json};

use crate::emulators::{self, AZURE_ACCOUNT, AZURE_KEY, unique_name};
use crate::test_app::TestApp;
use crate::test_images::test_image;

/// Secrets that no answer, log and history may show.
const SECRET: &str = "canary/Secret+0123456789abcdefghijklmno";
const ACCESS_KEY: &str = "CANARYKEY0123456789";

fn s3_keys() -> S3Keys {
    S3Keys { key: ACCESS_KEY.to_owned(), secret: SECRET.to_owned(), region: "eu-central-9".to_owned() }
}

async fn s3_bucket() -> FakeBucket {
    FakeBucket::start_s3("photos", s3_keys()).await.expect("the machine has a free port")
}

/// Returns the object `store` for a bucket, with additional attributes.
fn store(bucket: &FakeBucket, more: &Value) -> Value {
    let S3Keys { key, secret, region } = s3_keys();
    let mut store = json!({
        "provider": "s3", "endpoint": bucket.endpoint(), "bucket": bucket.name, "key": key, "secret": secret,
        "region": region,
    });
    store.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    store
}

async fn upload(app: &TestApp, json: &Value) -> WireResponse {
    app.upload("holiday photo.png", &test_image(40, 30, Format::Png), json).await
}

/// Stores an object in a bucket and checks every attribute of the object.
#[tokio::test]
async fn a_result_is_stored_in_the_s3_bucket_of_the_request_with_all_attributes() {
    let (app, bucket) = (TestApp::start().await, s3_bucket().await);
    let more = json!({
        "path": "a b/größe+1.jpg", "acl": "private", "class": "STANDARD_IA",
        "metadata": { "Owner_Id": 7, "note": "two  words" },
        "headers": { "cache-control": "max-age=60", "Content-Disposition": "attachment" },
    });
    let request = json!({ "output": { "format": "jpeg" }, "store": store(&bucket, &more) });
    let answer = upload(&app, &request).await.json();
    assert_eq!(answer["success"], true, "{answer} {:?}", bucket.requests());
    let url = format!("{}/photos/a%20b/gr%C3%B6%C3%9Fe%2B1.jpg", bucket.endpoint());
    assert_eq!(
        (&answer["output"]["url"], &answer["output"]["name"]),
        (&json!(url), &json!("holiday photo.jpg"))
    );
    assert_eq!(answer["warnings"], Value::Null);

    let object = bucket.object("a b/größe+1.jpg").expect("the object is stored");
    assert_eq!(json!(object.bytes.len()), answer["output"]["bytes"]);
    let header = |name: &str| object.headers.get(name).and_then(|value| value.to_str().ok());
    for (name, expected) in [
        ("x-amz-acl", Some("private")),
        ("x-amz-storage-class", Some("STANDARD_IA")),
        ("x-amz-meta-owner_id", Some("7")),
        ("x-amz-meta-note", Some("two  words")),
        ("cache-control", Some("max-age=60")),
        ("content-disposition", Some("attachment")),
        ("content-type", Some("image/jpeg")),
        ("x-amz-security-token", None),
    ] {
        assert_eq!(header(name), expected, "{name}");
    }
    assert_eq!(bucket.requests().len(), 1, "one request stores the object");
}

#[tokio::test]
async fn without_path_and_acl_an_object_has_the_name_of_the_result_and_everybody_may_read_it() {
    let (app, bucket) = (TestApp::start().await, s3_bucket().await);
    let answer = upload(&app, &json!({ "store": store(&bucket, &json!({})) })).await.json();
    assert_eq!(answer["output"]["url"], format!("{}/photos/holiday%20photo.png", bucket.endpoint()));
    let object = bucket.object("holiday photo.png").expect("the object is stored");
    assert_eq!(object.headers["x-amz-acl"], "public-read");

    let none = store(&bucket, &json!({ "acl": "none", "path": "b.png" }));
    assert_eq!(upload(&app, &json!({ "store": none })).await.status, 200);
    assert!(!bucket.object("b.png").expect("the object is stored").headers.contains_key("x-amz-acl"));
}

#[tokio::test]
async fn a_result_is_stored_in_the_azure_container_of_the_request() {
    let app = TestApp::start().await;
    let keys = AzureKeys { account: "canaryaccount".to_owned(), key: "Y2FuYXJ5LXNlY3JldC1rZXk=".to_owned() };
    let bucket = FakeBucket::start_azure("photos", keys.clone()).await.expect("the machine has a free port");
    let store = json!({
        "provider": "azure", "endpoint": bucket.endpoint(), "container": "photos", "account": keys.account,
        "key": keys.key, "path": "a b/c.png", "class": "Cool", "metadata": { "owner": "7" },
        "headers": { "Content-Language": "de" }, "acl": "private", "region": "eu",
    });
    let answer = upload(&app, &json!({ "store": store })).await.json();
    assert_eq!(answer["success"], true, "{answer} {:?}", bucket.requests());
    assert_eq!(answer["output"]["url"], format!("{}/photos/a%20b/c.png", bucket.endpoint()));
    let no_effect =
        |name: &str| format!("store.{name} has no effect with the provider azure and was ignored");
    assert_eq!(answer["warnings"], json!([no_effect("acl"), no_effect("region")]));
    let object = bucket.object("a b/c.png").expect("the object is stored");
    assert_eq!(json!(object.bytes.len()), answer["output"]["bytes"]);
    for (name, expected) in [
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-access-tier", "Cool"),
        ("x-ms-meta-owner", "7"),
        ("x-ms-blob-content-language", "de"),
        ("x-ms-blob-content-type", "image/png"),
    ] {
        assert_eq!(object.headers[name], expected, "{name}");
    }
}

#[tokio::test]
async fn a_refused_object_is_a_422_with_the_reason_of_the_provider_in_our_words_and_is_not_tried_again() {
    let (app, bucket) = (TestApp::start().await, s3_bucket().await);
    for (more, expected) in [
        (json!({ "secret": "wrong" }), "the keys in `store` are wrong: the signature does not match"),
        (json!({ "bucket": "missing" }), "the bucket or container does not exist"),
    ] {
        let n_before = bucket.requests().len();
        let answer = upload(&app, &json!({ "store": store(&bucket, &more) })).await;
        assert_eq!((answer.status, &answer.json()["error"]), (422, &json!("store_refused")));
        let message = answer.json()["message"].to_string();
        assert!(message.contains(expected), "{message}");
        for secret in [SECRET, ACCESS_KEY, "wrong\"", "told by the provider"] {
            assert!(!message.contains(secret), "{message}");
        }
        assert_eq!(bucket.requests().len(), n_before + 1);
    }
    assert_eq!(bucket.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn an_object_is_stored_again_within_the_request_if_the_provider_fails_for_a_moment() {
    let (app, bucket) = (TestApp::start().await, s3_bucket().await);
    bucket.fail_next(503, "SlowDown");
    bucket.fail_next(500, "InternalError");
    let answer = upload(&app, &json!({ "store": store(&bucket, &json!({})) })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(bucket.requests().len(), 3);
    assert_eq!(bucket.keys(), ["holiday photo.png"]);
}

#[tokio::test]
async fn a_bucket_that_stays_away_or_silent_is_a_502_when_the_deadline_has_passed() {
    let app = TestApp::start_with(&[("buckets.deadline_s", "1")]).await;
    let bucket = s3_bucket().await;
    bucket.begin_outage(503, "ServiceUnavailable");
    let (closed, silent) = (ClosedPort::reserve(), ScriptedReceiver::start(vec![vec![Action::Hang]]));
    for (endpoint, expected) in [
        (bucket.endpoint(), "store: the provider answered with status 503 (ServiceUnavailable)"),
        (format!("http://{}", closed.address), "store: the host could not be reached"),
        (silent.url("/").to_string(), "store: the host did not answer in time"),
    ] {
        let answer =
            upload(&app, &json!({ "store": store(&bucket, &json!({ "endpoint": endpoint })) })).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (502, &json!("store_unreachable")),
            "{endpoint}"
        );
        assert_eq!(answer.json()["message"], expected);
    }
    assert!(bucket.requests().len() > 1, "the object was tried again");
}

#[tokio::test]
async fn the_endpoint_of_a_bucket_obeys_the_address_policy() {
    let canary = ScriptedReceiver::start(vec![respond_status(200)]);
    let port = canary.address.port();
    let app = TestApp::start_with(&[("network.allow", "")]).await;
    let bucket = s3_bucket().await;
    for host in FORBIDDEN_HOSTS {
        for provider in ["s3", "aws", "google", "digitalocean"] {
            let more = json!({ "provider": provider, "endpoint": format!("http://{host}:{port}") });
            let answer = upload(&app, &json!({ "store": store(&bucket, &more) })).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (502, &json!("store_unreachable")),
                "{host}"
            );
            let message = answer.json()["message"].to_string();
            assert!(message.contains("the address policy of this server forbids"), "{message}");
        }
    }
    assert_eq!((canary.n_connections(), bucket.requests().len()), (0, 0));
}

#[tokio::test]
async fn a_redirect_of_a_bucket_is_not_followed() {
    let canary = ScriptedReceiver::start(vec![respond_status(200)]);
    let head = format!("HTTP/1.1 307 T\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", canary.url("/x"));
    let bucket = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::send(&head)]]);
    let app = TestApp::start().await;
    let more = json!({ "endpoint": bucket.url("/").as_str() });
    let answer = upload(&app, &json!({ "store": store(&s3_bucket().await, &more) })).await;
    assert_eq!((answer.status, &answer.json()["error"]), (422, &json!("store_refused")));
    assert_eq!(canary.n_connections(), 0);
}

#[tokio::test]
async fn a_binary_answer_cannot_be_combined_with_a_bucket() {
    let (app, bucket) = (TestApp::start().await, s3_bucket().await);
    let request = json!({ "response": { "mode": "binary" }, "store": store(&bucket, &json!({})) });
    let answer = upload(&app, &request).await;
    assert_eq!((answer.status, answer.body.len()), (422, 0));
    let meta = answer.header("X-Pixaven-Meta").expect("the envelope is in a header");
    assert!(meta.contains("cannot be combined with store"), "{meta}");
    assert_eq!(bucket.requests().len(), 0);
}

/// Accepts a request with a webhook, and returns its id.
async fn accept(app: &TestApp, receiver: &ScriptedReceiver, store: &Value) -> String {
    let answer =
        upload(app, &json!({ "store": store, "webhook": { "url": receiver.url("/").as_str() } })).await;
    assert_eq!(answer.status, 202, "{:?}", answer.json());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// Reads the history of a webhook through the API.
async fn webhook(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/1.0/webhooks/{id}")).await.json()["webhook"].clone()
}

async fn step(app: &TestApp, after_ms: i64) -> usize {
    app.clock.advance(after_ms);
    app.jobs.step().await.expect("the ledger responds")
}

#[tokio::test]
async fn a_job_stores_its_result_in_the_bucket_and_the_webhook_names_the_object() {
    let (app, bucket) = (TestApp::start().await, s3_bucket().await);
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let id = accept(&app, &receiver, &store(&bucket, &json!({ "path": "x/y.png" }))).await;
    assert_eq!(step(&app, 0).await, 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    let history = webhook(&app, &id).await;
    assert_eq!(history["status"], "delivered");
    assert_eq!(history["payload"]["output"]["url"], format!("{}/photos/x/y.png", bucket.endpoint()));
    assert_eq!(bucket.keys(), ["x/y.png"]);
    for secret in [SECRET, ACCESS_KEY] {
        assert!(!history.to_string().contains(secret), "{history}");
    }
}

#[tokio::test]
async fn a_job_is_repeated_with_growing_pauses_until_its_bucket_takes_the_result() {
    let app = TestApp::start_with(&[("buckets.deadline_s", "1")]).await;
    let bucket = s3_bucket().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    bucket.begin_outage(503, "SlowDown");
    let id = accept(&app, &receiver, &store(&bucket, &json!({ "path": "x.png" }))).await;
    assert_eq!(step(&app, 0).await, 1);
    for pause_ms in [5_000, 10_000] {
        assert_eq!(step(&app, pause_ms - 1).await, 0);
        assert_eq!(step(&app, 1).await, 1);
        assert_eq!(webhook(&app, &id).await["status"], "created");
    }
    bucket.end_outage();
    assert_eq!(step(&app, 20_000).await, 1);
    assert_eq!(webhook(&app, &id).await["payload"]["success"], true);
    assert_eq!(bucket.keys(), ["x.png"]);
}

#[tokio::test]
async fn a_job_whose_bucket_stays_away_fails_after_buckets_retry_s_and_a_refused_result_fails_at_once() {
    let app = TestApp::start_with(&[("buckets.deadline_s", "1"), ("buckets.retry_s", "60")]).await;
    let bucket = s3_bucket().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let refused = accept(&app, &receiver, &store(&bucket, &json!({ "secret": "wrong" }))).await;
    assert_eq!(step(&app, 0).await, 1);
    assert_eq!(webhook(&app, &refused).await["payload"]["error"], "store_refused");

    bucket.begin_outage(500, "InternalError");
    let id = accept(&app, &receiver, &store(&bucket, &json!({}))).await;
    let mut n_runs = 0;
    while webhook(&app, &id).await["status"] == "created" {
        n_runs += step(&app, 600_000).await;
        assert!(n_runs < 20, "the job ends");
    }
    assert_eq!(n_runs, 6, "a job that begins late has six runs");
    let payload = webhook(&app, &id).await["payload"].clone();
    assert_eq!((&payload["success"], &payload["error"]), (&json!(false), &json!("store_unreachable")));
}

#[tokio::test]
async fn the_keys_of_a_bucket_are_removed_from_the_ledger_when_the_job_ends() {
    let (app, bucket) = (TestApp::start().await, s3_bucket().await);
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let _accepted = accept(&app, &receiver, &store(&bucket, &json!({}))).await;
    assert_eq!(step(&app, 0).await, 1);
    let directory = app.stop().await;
    let database =
        rusqlite::Connection::open(directory.path().join("data/pixaven.db")).expect("the ledger opens");
    let spec: String =
        database.query_row("SELECT spec FROM requests", [], |row| row.get(0)).expect("a request");
    assert!(spec.contains("\\\"store\\\"") || spec.contains("store"), "{spec}");
    assert!(!spec.contains(SECRET) && !spec.contains(ACCESS_KEY), "{spec}");
}

/// Returns a header of an answer. `name` is in lower case.
fn header<'a>(response: &'a WireResponse, name: &str) -> Option<&'a str> {
    let mut headers = response.headers.iter();
    headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn an_s3_emulator_stores_the_result_of_a_request_for_each_provider_that_speaks_s3() {
    let Some(emulator) = emulators::s3() else { return };
    let app = TestApp::start().await;
    let bucket = unique_name("customer");
    emulator.create_bucket(&bucket).await;
    for provider in ["s3", "aws", "digitalocean", "google", "cloudflare"] {
        let path = format!("a b/{provider}.png");
        let store = json!({
            "provider": provider, "endpoint": emulator.url, "bucket": bucket, "key": "K", "secret": "S",
            "region": "us-east-1", "account": "x", "path": path, "metadata": { "owner": "7" },
            "headers": { "Cache-Control": "max-age=60" },
        });
        let answer = upload(&app, &json!({ "store": store })).await.json();
        assert_eq!(answer["success"], true, "{answer}");
        assert_eq!(answer["output"]["url"], format!("{}/{bucket}/a%20b/{provider}.png", emulator.url));
        let object = emulator.s3_object(&format!("{bucket}/a%20b/{provider}.png")).await;
        assert_eq!((object.status, json!(object.body.len())), (200, answer["output"]["bytes"].clone()));
        for (name, expected) in
            [("content-type", "image/png"), ("cache-control", "max-age=60"), ("x-amz-meta-owner", "7")]
        {
            assert_eq!(header(&object, name), Some(expected), "{name}");
        }
    }
    let store = json!({
        "provider": "s3", "endpoint": emulator.url, "bucket": unique_name("missing"), "key": "K", "secret": "S",
    });
    let answer = upload(&app, &json!({ "store": store })).await.json();
    assert_eq!(answer["message"], "store: the bucket or container does not exist (NoSuchBucket)");
}

#[tokio::test]
async fn an_azure_emulator_stores_the_result_of_a_request_and_refuses_a_wrong_key() {
    let Some(emulator) = emulators::azure() else { return };
    let app = TestApp::start().await;
    let container = unique_name("customer");
    emulator.create_container(&container).await;
    let store = |more: &Value| {
        let mut store = json!({
            "provider": "azure", "endpoint": format!("{}/{AZURE_ACCOUNT}", emulator.url), "account": AZURE_ACCOUNT,
            "key": AZURE_KEY, "container": container, "path": "a b/ä+c.png", "metadata": { "owner": "7" },
            "headers": { "Cache-Control": "max-age=60", "Content-Language": "de" }, "class": "Cool",
        });
        store.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        store
    };
    let answer = upload(&app, &json!({ "store": store(&json!({})) })).await.json();
    assert_eq!(answer["success"], true, "{answer}");
    let object = emulator.azure_object(&format!("{container}/a%20b/%C3%A4%2Bc.png")).await;
    assert_eq!((object.status, json!(object.body.len())), (200, answer["output"]["bytes"].clone()));
    for (name, expected) in [
        ("content-type", "image/png"),
        ("cache-control", "max-age=60"),
        ("content-language", "de"),
        ("x-ms-meta-owner", "7"),
    ] {
        assert_eq!(header(&object, name), Some(expected), "{name}");
    }
    for (more, expected) in [
        (json!({ "key": "d3Jvbmc=" }), "(AuthorizationFailure)"),
        (json!({ "container": unique_name("missing") }), "the bucket or container does not exist"),
    ] {
        let answer = upload(&app, &json!({ "store": store(&more) })).await.json();
        assert_eq!(answer["error"], "store_refused");
        assert!(answer["message"].to_string().contains(expected), "{answer}");
    }
}
