//! Tests of a server whose own files are objects in a bucket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pixaven_imaging::plan::Format;
use pixaven_testkit::bucket::{FakeBucket, S3Keys};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use pixaven_testkit::wire_client::{WireResponse, send};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::emulators::{self, AZURE_ACCOUNT, AZURE_KEY, unique_name};
use crate::test_app::{START_MS, TestApp};
use crate::test_images::test_image;

/// A server, its bucket, and the directory with the file of credentials.
struct BucketApp {
    app: TestApp,
    bucket: FakeBucket,
    _credentials: TempDir,
}

/// Writes a file of credentials. Returns its directory and its path.
fn credentials(lines: &str) -> (TempDir, String) {
    let directory = TempDir::new().expect("a temporary directory can be created");
    let path = directory.path().join("credentials");
    std::fs::write(&path, lines).expect("the directory is writable");
    let path = path.display().to_string();
    (directory, path)
}

/// Starts a server whose files are in a bucket below the prefix `live/a`.
async fn start(more: &[(&str, &str)]) -> BucketApp {
    let keys = S3Keys { key: "KEY".to_owned(), secret: "SECRET".to_owned(), region: "eu-west-3".to_owned() };
    let bucket = FakeBucket::start_s3("files", keys).await.expect("the machine has a free port");
    let (_credentials, path) = credentials(
        "# the keys of the bucket\nAWS_ACCESS_KEY_ID=KEY\nAWS_SECRET_ACCESS_KEY = SECRET\nAWS_REGION=eu-west-3\n",
    );
    let endpoint = bucket.endpoint();
    let own = [
        ("blobs.url", "s3://files/live/a/"),
        ("blobs.endpoint", endpoint.as_str()),
        ("blobs.credentials", path.as_str()),
        ("blobs.deadline_s", "1"),
    ];
    let settings: Vec<_> = own.into_iter().chain(more.iter().copied()).collect();
    BucketApp { app: TestApp::start_with(&settings).await, bucket, _credentials }
}

/// Uploads an image whose result is too large for a row of the ledger.
async fn upload(app: &TestApp, webhook: Option<&ScriptedReceiver>) -> WireResponse {
    let mut request = json!({ "output": { "format": "bmp" } });
    if let Some(receiver) = webhook {
        request["webhook"] = json!({ "url": receiver.url("/").as_str() });
    }
    app.upload("a.png", &test_image(200, 150, Format::Png), &request).await
}

fn url_of(answer: &Value) -> String {
    answer["output"]["url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Downloads a result in the given way.
async fn get(app: &TestApp, method: &str, url: &str, headers: &[(&str, &str)]) -> WireResponse {
    send(app.address, method, &url[url.find("/dl/").expect("the path of a result")..], headers, b"").await
}

#[tokio::test]
async fn a_result_in_a_bucket_is_downloaded_whole_and_in_ranges_and_removed_when_it_expires() {
    let BucketApp { app, bucket, _credentials } = start(&[]).await;
    let answer = upload(&app, None).await.json();
    let keys = bucket.keys();
    assert_eq!(keys.len(), 1, "{:?}", bucket.requests());
    assert!(keys[0].starts_with("live/a/results/2026-01-10/"), "{keys:?}");
    let object = bucket.object(&keys[0]).expect("the object is stored");
    assert_eq!(object.headers["content-type"], "image/bmp");
    assert!(!app.directory.path().join("data/blobs").exists(), "no file is on the disk");

    let url = url_of(&answer);
    let whole = get(&app, "GET", &url, &[]).await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, &object.bytes[..]));
    let part = get(&app, "GET", &url, &[("Range", "bytes=1000-50999")]).await;
    assert_eq!((part.status, part.body.as_slice()), (206, &object.bytes[1_000..51_000]));
    let head = get(&app, "HEAD", &url, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));

    app.clock.advance(25 * 3_600_000);
    assert_eq!(app.sweep.sweep().await.expect("the bucket responds").n_results, 1);
    assert_eq!(bucket.keys(), Vec::<String>::new());
    assert_eq!(get(&app, "GET", &url, &[]).await.status, 404);
}

#[tokio::test]
async fn an_accepted_upload_is_in_the_bucket_before_the_202_and_removed_after_its_job() {
    let BucketApp { app, bucket, _credentials } = start(&[]).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let answer = upload(&app, Some(&receiver)).await;
    assert_eq!(answer.status, 202);
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(bucket.keys(), [format!("live/a/inputs/{id}")]);
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("the payload is JSON");
    assert_eq!(get(&app, "GET", &url_of(&payload), &[]).await.status, 200);
    let keys = bucket.keys();
    assert!(keys.len() == 1 && keys[0].starts_with("live/a/results/"), "{keys:?}");
}

#[tokio::test]
async fn a_bucket_that_is_away_or_refuses_is_a_503_and_nothing_is_accepted() {
    let BucketApp { app, bucket, _credentials } = start(&[]).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    for (status, code) in [(503, "SlowDown"), (403, "AccessDenied"), (500, "InternalError")] {
        bucket.begin_outage(status, code);
        for webhook in [None, Some(&receiver)] {
            let answer = upload(&app, webhook).await;
            assert_eq!((answer.status, &answer.json()["error"]), (503, &json!("unavailable")), "{code}");
            assert!(answer.header("Retry-After").is_some());
        }
        bucket.end_outage();
    }
    assert_eq!(app.get("/1.0/webhooks").await.json()["total"], 0);
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 0);
    assert_eq!(upload(&app, None).await.status, 200, "the server recovers without a restart");
}

#[tokio::test]
async fn a_job_whose_bucket_is_away_is_postponed_until_the_bucket_is_back() {
    let BucketApp { app, bucket, _credentials } = start(&[]).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let id = upload(&app, Some(&receiver)).await.json()["id"].as_str().expect("an id").to_owned();
    bucket.begin_outage(503, "SlowDown");
    let status = async || app.get(&format!("/1.0/webhooks/{id}")).await.json()["webhook"]["status"].clone();
    for _ in 0..3 {
        assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
        assert_eq!(status().await, "created");
        app.clock.advance(2_000);
    }
    bucket.end_outage();
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    assert_eq!(status().await, "delivered");
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("the payload is JSON");
    let url = url_of(&payload);
    bucket.begin_outage(500, "InternalError");
    assert_eq!(get(&app, "GET", &url, &[]).await.status, 503);
    bucket.end_outage();
    assert_eq!(get(&app, "GET", &url, &[]).await.status, 200);
}

#[tokio::test]
async fn a_put_whose_answer_fails_once_is_repeated_without_an_error() {
    let BucketApp { app, bucket, _credentials } = start(&[]).await;
    bucket.fail_next(500, "InternalError");
    bucket.fail_next(503, "SlowDown");
    assert_eq!(upload(&app, None).await.status, 200);
    assert_eq!(bucket.requests().len(), 3);
}

#[tokio::test]
async fn objects_of_crashed_runs_are_found_in_the_bucket_and_removed() {
    let BucketApp { app, bucket, _credentials } = start(&[]).await;
    let start = UNIX_EPOCH + Duration::from_millis(START_MS.unsigned_abs());
    let (old, young) = (start - Duration::from_secs(172_800), start);
    let orphan = |key: &str, modified: SystemTime| bucket.insert(key, Bytes::from_static(b"x"), modified);
    for n in 0..5 {
        orphan(&format!("live/a/inputs/9fccf4b5-cfab-4e92-9276-5d2028fcb6a{n}"), old);
        orphan(&format!("live/a/results/2025-06-0{n}/x.png"), old);
    }
    orphan("live/a/watermarks/abcdefghij", old);
    let kept = [
        "live/a/inputs/9fccf4b5-cfab-4e92-9276-5d2028fcb6af",
        "live/a/results/2026-01-10/x.png",
        "live/a/watermarks/abcdefghik",
        "live/b/inputs/9fccf4b5-cfab-4e92-9276-5d2028fcb6a0",
    ];
    kept.iter().for_each(|key| orphan(key, young));
    assert_eq!(app.sweep.sweep_unfinished().await.expect("the bucket responds"), 0);
    assert_eq!(app.sweep.sweep().await.expect("the bucket responds").n_orphans, 11);
    assert_eq!(bucket.keys(), kept);
}

#[tokio::test]
async fn with_results_presign_a_download_is_a_redirect_to_a_signed_url_of_the_bucket() {
    let BucketApp { app, bucket, _credentials } = start(&[("results.presign", "true")]).await;
    let answer = upload(&app, None).await.json();
    let redirect = get(&app, "GET", &url_of(&answer), &[]).await;
    assert_eq!((redirect.status, redirect.header("Cache-Control")), (302, Some("no-store")));
    let location = Url::parse(redirect.header("Location").expect("a location")).expect("a URL");
    let target = &location[url::Position::BeforePath..];
    let object = send(bucket.address, "GET", target, &[("Range", "bytes=0-9")], b"").await;
    let stored = bucket.object(&bucket.keys()[0]).expect("the object is stored");
    assert_eq!(
        (object.status, object.body.as_slice()),
        (206, &stored.bytes[..10]),
        "{:?}",
        bucket.requests()
    );
    let changed = target.replace("X-Amz-Expires=300", "X-Amz-Expires=301");
    assert_ne!(changed, target);
    assert_eq!(send(bucket.address, "GET", &changed, &[], b"").await.status, 403);

    // A small result is in the ledger and needs no bucket.
    let small = app.upload("a.png", &test_image(8, 8, Format::Png), &json!({})).await.json();
    assert_eq!(get(&app, "GET", &url_of(&small), &[]).await.status, 200);
}

#[tokio::test]
async fn a_watermark_is_stored_in_the_bucket_and_used_from_there() {
    let BucketApp { app, bucket, _credentials } = start(&[("watermarks.cache_bytes", "0")]).await;
    let body = pixaven_testkit::multipart::upload("logo.png", &test_image(20, 20, Format::Png), "{}");
    let content_type = [("Content-Type", pixaven_testkit::multipart::CONTENT_TYPE)];
    let added = app.call("POST", "/1.0/watermarks", &content_type, &body).await;
    assert_eq!(added.status, 200, "{:?}", added.json());
    let keys = bucket.keys();
    let id = keys[0].strip_prefix("live/a/watermarks/").unwrap_or_else(|| panic!("{keys:?}"));
    let request = json!({ "watermark": { "id": id } });
    assert_eq!(app.upload("a.png", &test_image(40, 40, Format::Png), &request).await.status, 200);
    bucket.begin_outage(503, "SlowDown");
    let away = app.upload("a.png", &test_image(40, 40, Format::Png), &request).await;
    assert_eq!((away.status, &away.json()["error"]), (503, &json!("unavailable")));
}

#[tokio::test]
async fn a_server_starts_while_its_bucket_is_away() {
    let closed = pixaven_testkit::ports::ClosedPort::reserve();
    let (_credentials, path) = credentials("AWS_ACCESS_KEY_ID=K\nAWS_SECRET_ACCESS_KEY=S\n");
    let endpoint = format!("http://{}", closed.address);
    let app = TestApp::start_with(&[
        ("blobs.url", "s3://files"),
        ("blobs.endpoint", &endpoint),
        ("blobs.credentials", &path),
        ("blobs.deadline_s", "1"),
    ])
    .await;
    assert_eq!(upload(&app, None).await.status, 503);
    assert_eq!(app.upload("a.png", &test_image(8, 8, Format::Png), &json!({})).await.status, 200);
}

/// Checks the whole life of a result in a bucket.
async fn check_life(settings: &[(&str, &str)]) {
    let app = TestApp::start_with(settings).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    assert_eq!(upload(&app, Some(&receiver)).await.status, 202);
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("the payload is JSON");
    let url = url_of(&payload);
    let whole = get(&app, "GET", &url, &[]).await;
    assert_eq!((whole.status, json!(whole.body.len())), (200, payload["output"]["bytes"].clone()));
    let part = get(&app, "GET", &url, &[("Range", "bytes=10-19")]).await;
    assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[10..20]));
    app.clock.advance(25 * 3_600_000);
    let swept = app.sweep.sweep().await.expect("the bucket responds");
    assert_eq!(swept.n_results, 1);
    assert_eq!(app.sweep.sweep().await.expect("the bucket responds").n_orphans, 0, "lists work");
}

#[tokio::test]
async fn a_google_bucket_holds_the_files_of_a_server() {
    let bucket = FakeBucket::start_google("own", "TOKEN").await.expect("the machine has a free port");
    let (_credentials, path) = credentials("GOOGLE_BEARER_TOKEN=TOKEN\n");
    let endpoint = bucket.endpoint();
    check_life(&[("blobs.url", "gs://own/a"), ("blobs.endpoint", &endpoint), ("blobs.credentials", &path)])
        .await;
    assert_eq!(bucket.keys(), Vec::<String>::new());
    assert!(bucket.requests().iter().all(|request| request.refusal.is_none()));
}

#[tokio::test]
async fn an_s3_emulator_holds_the_files_of_a_server() {
    let Some(emulator) = emulators::s3() else { return };
    let bucket = unique_name("own");
    emulator.create_bucket(&bucket).await;
    let (_credentials, path) = credentials("AWS_ACCESS_KEY_ID=K\nAWS_SECRET_ACCESS_KEY=S\n");
    let url = format!("s3://{bucket}/a/b");
    check_life(&[
        ("blobs.url", &url),
        ("blobs.endpoint", &emulator.url),
        ("blobs.credentials", &path),
        ("blobs.region", "us-east-1"),
    ])
    .await;
}

#[tokio::test]
async fn an_azure_emulator_holds_the_files_of_a_server() {
    let Some(emulator) = emulators::azure() else { return };
    let container = unique_name("own");
    emulator.create_container(&container).await;
    let (_credentials, path) = credentials(&format!(
        "AZURE_STORAGE_ACCOUNT_NAME={AZURE_ACCOUNT}\nAZURE_STORAGE_ACCOUNT_KEY={AZURE_KEY}\n"
    ));
    let (url, endpoint) = (format!("az://{container}/a"), format!("{}/{AZURE_ACCOUNT}", emulator.url));
    check_life(&[("blobs.url", &url), ("blobs.endpoint", &endpoint), ("blobs.credentials", &path)]).await;
}
