//! Tests that the files of a server show no secret, and that sealed secrets still work.

use std::path::Path;

use pixaven::app::{App, Dependencies};
use pixaven::runtime::config::Config;
use pixaven_imaging::plan::Format;
use pixaven_ledger::Clock;
use pixaven_testkit::bucket::{FakeBucket, S3Keys};
use pixaven_testkit::image_origin::ImageOrigin;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::run;
use crate::test_app::TestApp;
use crate::test_images::test_image;

/// The secrets of a request. The credentials of URLs are percent-encoded there.
const CANARIES: [&str; 8] = [
    "canarybucketkey",
    "canary/bucket+secret",
    "canaryuser",
    "canary%3Aword",
    "canaryheadervalue",
    "canarysourceuser",
    "canarysourceword",
    "canarysourceheader",
];

/// Returns the names of the files below `directory` that contain a secret, each with the secret.
fn leaks(directory: &Path, secrets: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        if path.is_dir() {
            found.extend(leaks(&path, secrets));
            continue;
        }
        let bytes = std::fs::read(&path).expect("the file can be read");
        let has = |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        found.extend(
            secrets.iter().filter(|secret| has(secret)).map(|secret| format!("{}: {secret}", path.display())),
        );
    }
    found
}

/// Returns a fetch request that contains every canary.
fn request(origin: &ImageOrigin, bucket: &FakeBucket, receiver: &ScriptedReceiver) -> Value {
    let url = origin.url("/a.jpg").replace("http://", "http://canarysourceuser:canarysourceword@");
    json!({
        "url": url,
        "headers": { "X-Source": "canarysourceheader" },
        "store": {
            "provider": "s3", "endpoint": bucket.endpoint(), "bucket": bucket.name, "key": "canarybucketkey",
            "secret": "canary/bucket+secret", "path": "a.jpg",
        },
        "webhook": {
            "url": format!("http://canaryuser:canary%3Aword@{}/hook?x=1", receiver.address),
            "headers": { "X-Own": "canaryheadervalue" },
        },
    })
}

#[tokio::test]
async fn the_files_of_a_server_show_no_secret_of_a_request_and_no_signing_secret() {
    let keys = S3Keys {
        key: "canarybucketkey".to_owned(),
        secret: "canary/bucket+secret".to_owned(),
        region: "us-east-1".to_owned(),
    };
    let bucket = FakeBucket::start_s3("photos", keys).await.expect("the machine has a free port");
    let jpeg = test_image(40, 30, Format::Jpeg);
    let origin = ImageOrigin::start(jpeg.into()).await.expect("the machine has a free port");
    let receiver = ScriptedReceiver::start(vec![respond_status(500), respond_status(204)]);
    let app = TestApp::start().await;
    let rotated = app.call("POST", "/1.0/secrets/rotate", &[], b"{\"overlap\":0}").await.json();
    let signing = rotated["secrets"][0]["secret"].as_str().expect("a secret").to_owned();
    assert!(signing.starts_with("whsec_"));
    let secrets: Vec<&str> = CANARIES.iter().copied().chain([signing.as_str()]).collect();

    let answer = app.fetch(&request(&origin, &bucket, &receiver)).await;
    assert_eq!(answer.status, 202, "{:?}", answer.json());
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    let data = app.directory.path().join("data");
    assert_eq!(leaks(&data, &secrets), Vec::<String>::new(), "while the job waits");
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(bucket.keys(), ["a.jpg"], "{:?}", bucket.requests());
    assert_eq!(leaks(&data, &secrets), Vec::<String>::new(), "after the job");
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    app.clock.advance(3_600_000);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    assert_eq!(leaks(&data, &secrets), Vec::<String>::new(), "after the webhook");

    for received in receiver.requests() {
        assert_eq!(received.header("authorization"), Some("Basic Y2FuYXJ5dXNlcjpjYW5hcnk6d29yZA=="));
        assert_eq!(received.header("x-own"), Some("canaryheadervalue"));
        assert_eq!(received.request_line, "POST /hook?x=1 HTTP/1.1");
    }
    let history = app.get(&format!("/1.0/webhooks/{id}")).await.json();
    assert_eq!(history["webhook"]["status"], "delivered");
    assert!(history["webhook"]["url"].as_str().is_some_and(|url| url.starts_with("http://***@127.0.0.1")));
    let text = history.to_string();
    assert!(!text.contains("canary") && !text.contains("sealed."), "{text}");
    let shown = app.get("/1.0/secrets").await.json();
    assert_eq!(shown["secrets"][0]["secret"], json!(signing));
    let directory = app.stop().await;
    assert_eq!(leaks(&directory.path().join("data"), &secrets), Vec::<String>::new(), "after the stop");
}

#[tokio::test]
async fn rows_of_an_earlier_version_without_a_seal_still_work_and_their_signing_secrets_are_sealed_at_the_start()
 {
    let app = TestApp::start().await;
    // The test creates its key without a seal, as an earlier version did.
    let clear = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let directory = app.stop().await;
    let stored = |directory: &TempDir| -> String {
        let database = Connection::open(directory.path().join("data/pixaven.db")).expect("the ledger opens");
        database
            .query_row("SELECT secret FROM webhook_secrets", [], |row| row.get(0))
            .expect("the account has a secret")
    };
    assert_eq!(stored(&directory), clear);
    let app = TestApp::start_in(directory, &[]).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let webhook = json!({ "url": receiver.url("/").as_str() });
    let answer = app.upload("a.png", &test_image(8, 8, Format::Png), &json!({ "webhook": webhook })).await;
    assert_eq!(answer.status, 202);
    let directory = app.stop().await;
    assert!(stored(&directory).starts_with("sealed.1."));
    set_clear_webhook(&directory, &receiver);

    let app = TestApp::start_in(directory, &[]).await;
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    let received = receiver.requests();
    assert_eq!(received[0].header("authorization"), Some("Basic Y2FuYXJ5dXNlcjpjYW5hcnl3b3Jk"));
    assert_eq!(received[0].header("x-own"), Some("canaryheadervalue"));
    let shown = app.get("/1.0/secrets").await.json();
    let secrets = shown["secrets"].as_array().expect("a list");
    assert!(secrets.iter().any(|known| known["secret"] == clear), "{shown}");
}

/// Changes the webhook of the only request to a row as an earlier version wrote it.
fn set_clear_webhook(directory: &TempDir, receiver: &ScriptedReceiver) {
    let database = Connection::open(directory.path().join("data/pixaven.db")).expect("the ledger opens");
    let url = format!("http://canaryuser:canaryword@{}/", receiver.address);
    let changed = database.execute(
        "UPDATE requests SET webhook_url = ?1, webhook_headers = 'X-Own' || char(10) || 'canaryheadervalue' || char(10)",
        [url],
    );
    assert_eq!(changed.expect("the row can be written"), 1);
}

#[tokio::test]
async fn seal_rotate_seals_every_secret_with_a_new_key_and_leaves_no_remains_of_clear_rows() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let webhook = json!({ "url": receiver.url("/?token=1").as_str() });
    let image = test_image(8, 8, Format::Png);
    assert_eq!(app.upload("a.png", &image, &json!({ "webhook": webhook })).await.status, 202);
    let data = app.directory.path().join("data").display().to_string();
    let busy = run(app.directory.path(), &["seal", "rotate", "--data-dir", &data], &[]).await;
    assert!(!busy.0 && busy.2.contains("a server is running"), "{busy:?}");

    let directory = app.stop().await;
    set_clear_webhook(&directory, &receiver);
    let clear = ["canaryuser", "canaryword", "canaryheadervalue", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
    let data_dir = directory.path().join("data");
    assert_ne!(leaks(&data_dir, &clear), Vec::<String>::new(), "the rows are clear");
    let key = std::fs::read_to_string(data_dir.join("seal.key")).expect("the key exists");
    let rotated = run(directory.path(), &["seal", "rotate", "--data-dir", &data], &[]).await;
    assert!(rotated.1.starts_with("sealed 1 signing secrets and 1 requests"), "{rotated:?}");
    assert_eq!(leaks(&data_dir, &clear), Vec::<String>::new());
    let new_key = std::fs::read_to_string(data_dir.join("seal.key")).expect("the key exists");
    assert_eq!(new_key.lines().count(), 1);
    assert_ne!(new_key, key);

    let app = TestApp::start_in(directory, &[]).await;
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    let received = receiver.requests();
    assert_eq!(received[0].header("authorization"), Some("Basic Y2FuYXJ5dXNlcjpjYW5hcnl3b3Jk"));
    assert_eq!(received[0].header("x-own"), Some("canaryheadervalue"));
}

#[tokio::test]
async fn a_server_does_not_start_with_another_seal_key_than_that_of_its_ledger() {
    let app = TestApp::start().await;
    let rotated = app.call("POST", "/1.0/secrets/rotate", &[], b"{}").await;
    assert_eq!(rotated.status, 200);
    let directory = app.stop().await;
    let data_dir = directory.path().join("data");
    std::fs::remove_file(data_dir.join("seal.key")).expect("the key exists");
    let data_dir = data_dir.display().to_string();
    let settings = [("server.listen", "127.0.0.1:0"), ("server.data_dir", data_dir.as_str())];
    let config = Config::with(&settings).expect("the configuration is valid");
    let worker_program = env!("CARGO_BIN_EXE_pixaven").into();
    let built = App::build(&config, Dependencies { clock: Clock::System, worker_program }).await;
    let error = format!("{:#}", built.err().expect("the server does not start"));
    assert!(error.contains("server.seal_key_file") && error.contains("does not contain"), "{error}");
}
