//! Tests accepted requests from the answer `202` to the delivered webhook, including crashes of workers and
//! restarts of the server.

use pixaven::work::blobs::Blobs;
use pixaven_imaging::plan::Format;
use pixaven_ledger::ReleaseReason;
use pixaven_testkit::image_origin::ImageOrigin;
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond_status};
use pixaven_testkit::wire_client::WireResponse;
use serde_json::{Value, json};

use crate::image_workers;
use crate::test_app::TestApp;
use crate::test_images::{documented_jpeg, test_image};

/// Checks that the response accepts a request, and returns the request's id.
fn id_of(response: &WireResponse) -> String {
    let json = response.json();
    assert_eq!(
        (response.status, &json["success"], &json["code"]),
        (202, &json!(true), &json!(202)),
        "{json}"
    );
    assert_eq!(response.header("Status"), Some("202 ACCEPTED"));
    json["id"].as_str().expect("the response has an id").to_owned()
}

/// Reads the history of a webhook through the API.
async fn webhook(app: &TestApp, id: &str) -> Value {
    let response = app.get(&format!("/1.0/webhooks/{id}")).await;
    assert_eq!(response.status, 200);
    response.json()["webhook"].clone()
}

#[tokio::test]
async fn a_fetch_as_in_the_documentation_processes_the_image_and_sends_the_result_in_a_webhook() {
    let app = TestApp::start().await;
    let origin = ImageOrigin::start(documented_jpeg().into()).await.expect("the machine has a free port");
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let url = origin.url("/photos/image.jpg");
    let webhook_url = format!("http://user:pass@{}/hook?x=1", receiver.address);
    let id = id_of(
        &app.fetch(&json!({"url": url, "resize": {"width": 100}, "webhook": {"url": webhook_url}})).await,
    );
    assert_eq!(webhook(&app, &id).await["status"], "created");

    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    let waiting = webhook(&app, &id).await;
    assert_eq!((&waiting["status"], &waiting["payload"]["id"]), (&json!("scheduled"), &json!(id)));
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);

    let received = receiver.requests();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].request_line, "POST /hook?x=1 HTTP/1.1");
    assert_eq!(received[0].header("webhook-id"), Some(id.as_str()));
    assert_eq!(received[0].header("authorization"), Some("Basic dXNlcjpwYXNz"));
    let payload: Value = serde_json::from_slice(&received[0].body).expect("the payload is JSON");
    assert_eq!(
        (&payload["success"], &payload["code"], &payload["id"]),
        (&json!(true), &json!(200), &json!(id))
    );
    assert_eq!((&payload["output"]["width"], &payload["output"]["height"]), (&json!(100), &json!(75)));
    assert_eq!(payload["input"]["name"], "image.jpg");

    let done = webhook(&app, &id).await;
    assert_eq!((&done["status"], &done["payload"]), (&json!("delivered"), &payload));
    assert_eq!(
        (&done["attempts"][0]["outcome"], &done["attempts"][0]["status"]),
        (&json!("delivered"), &json!(204))
    );
    assert!(done["url"].as_str().is_some_and(|url| url.starts_with("http://***@127.0.0.1")), "{done}");
    let file =
        app.download(payload["output"]["url"].as_str().expect("the response has a download URL")).await;
    assert_eq!((file.status, json!(file.body.len())), (200, payload["output"]["bytes"].clone()));
}

#[tokio::test]
async fn an_accepted_upload_survives_a_restart_and_its_input_file_is_removed_after_processing() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({"resize": {"width": 50}, "webhook": {"url": format!("http://{}/", receiver.address)}});
    let small_id = id_of(&app.upload("small.png", &test_image(20, 10, Format::Png), &spec).await);
    let id = id_of(&app.upload("caf\u{e9}.bmp", &test_image(200, 100, Format::Bmp), &spec).await);
    let directory = app.stop().await;
    assert!(
        !directory.path().join("data/blobs/inputs").join(&small_id).exists(),
        "a small input is stored in the ledger, not as a file"
    );
    let input = directory.path().join("data/blobs/inputs").join(&id);
    assert!(input.exists(), "a large input is stored as a file");

    let app = TestApp::start_in(directory, &[]).await;
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 2);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 2);
    let mut names: Vec<_> = receiver
        .requests()
        .iter()
        .map(|received| serde_json::from_slice::<Value>(&received.body).expect("the text is JSON"))
        .map(|payload| (payload["id"].to_string(), payload["input"]["name"].to_string()))
        .collect();
    names.sort_by_key(|(_, name)| std::cmp::Reverse(name.clone()));
    let expected = [(&small_id, "small.png"), (&id, "caf\u{e9}.bmp")];
    assert_eq!(names, expected.map(|(id, name)| (json!(id).to_string(), json!(name).to_string())));
    assert!(!input.exists(), "a used input is removed");
}

#[tokio::test]
async fn the_delay_of_a_webhook_starts_when_the_image_has_been_processed() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({"webhook": {"url": format!("http://{}/", receiver.address), "delay": 604_800}});
    let id = id_of(&app.upload("a.png", &test_image(20, 10, Format::Png), &spec).await);
    app.clock.advance(60_000);
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    app.clock.advance(604_800_000 - 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 0);
    app.clock.advance(1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    assert_eq!(webhook(&app, &id).await["status"], "delivered");
}

#[tokio::test]
async fn a_webhook_that_was_never_attempted_is_still_sent_weeks_after_its_due_time() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str(), "delay": 604_800 } });
    let id = id_of(&app.upload("a.png", &test_image(4, 4, Format::Png), &spec).await);
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    app.clock.advance(61 * 24 * 60 * 60 * 1_000);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    assert_eq!(webhook(&app, &id).await["status"], "delivered");
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_webhook_is_also_sent_if_the_image_cannot_be_processed() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let webhook = json!({"url": format!("http://{}/", receiver.address)});
    let mut broken = documented_jpeg();
    broken.truncate(100);
    let id = id_of(&app.upload("broken.jpg", &broken, &json!({"webhook": webhook})).await);
    app.jobs.step().await.expect("the ledger responds");
    app.dispatcher.step().await.expect("the ledger responds");
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("the text is JSON");
    assert_eq!(
        (&payload["success"], &payload["code"], &payload["id"]),
        (&json!(false), &json!(422), &json!(id))
    );
    assert_eq!(payload["error"], "image_corrupt");
}

#[tokio::test]
async fn the_errors_for_an_unreachable_and_a_forbidden_image_host_are_equal_if_network_terse_is_true() {
    let app = TestApp::start_with(&[("network.allow", "127.0.0.1/32"), ("network.terse", "true")]).await;
    let closed = ClosedPort::reserve();
    let mut messages = Vec::new();
    for host in
        [closed.address.to_string(), "10.0.0.1".to_owned(), "[::1]:9".to_owned(), "127.0.0.2:9".to_owned()]
    {
        let response = app.fetch(&json!({"url": format!("http://{host}/x.jpg")})).await;
        assert_eq!(
            (response.status, &response.json()["error"]),
            (422, &json!("source_unreachable")),
            "{host}"
        );
        messages.push(response.json()["message"].clone());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[tokio::test]
async fn a_job_whose_image_worker_is_killed_twice_fails_and_sends_a_webhook_about_the_error() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let webhook = json!({"url": format!("http://{}/", receiver.address)});
    let mut spec = image_workers::heavy_request();
    spec["webhook"] = webhook;
    let id = id_of(&app.upload("small.jpg", &documented_jpeg(), &spec).await);
    for _attempt in 0..2 {
        let pid = app.pipeline.sandbox.idle_pids()[0];
        let kill = async {
            image_workers::wait_until_busy(pid).await;
            image_workers::kill(pid);
        };
        let (stepped, ()) = tokio::join!(app.jobs.step(), kill);
        assert_eq!(stepped.expect("the ledger responds"), 1);
    }
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("the text is JSON");
    assert_eq!(
        (&payload["success"], &payload["error"], &payload["id"]),
        (&json!(false), &json!("processing_failed"), &json!(id))
    );
    let response = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(response.status, 200, "the server works normally afterwards: {}", response.json());
}

#[tokio::test]
async fn a_job_that_a_stopping_server_released_is_claimed_again() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({"webhook": {"url": format!("http://{}/", receiver.address)}});
    id_of(&app.upload("a.png", &test_image(20, 10, Format::Png), &spec).await);
    let mut claimed = app.ledger.claim_jobs(1, 60_000).await.expect("a job is due");
    app.ledger.release_job(&claimed.remove(0), ReleaseReason::Stopped).await.expect("the lease is valid");
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
}

#[tokio::test]
async fn the_sweep_removes_an_input_file_that_belongs_to_no_accepted_request() {
    let app = TestApp::start().await;
    let orphan = uuid::Uuid::new_v4();
    let key = Blobs::input_key(orphan);
    app.pipeline.blobs.put(&key, bytes::Bytes::from_static(b"bytes")).await.expect("the blob is stored");
    // The modification time of the input's file comes from the machine's clock, which is ahead of the test's
    // clock. The test therefore moves its own clock to a time after the modification time.
    app.clock.advance(50 * 365 * 24 * 60 * 60 * 1000);
    assert_eq!(app.sweep.sweep().await.expect("the sweep succeeds").n_orphans, 1);
    assert_eq!(app.pipeline.blobs.get(&key).await.expect("the blob store is readable"), None);
}

#[tokio::test]
async fn the_sweep_removes_files_that_a_crash_left_unfinished_and_keeps_complete_files() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({"webhook": {"url": format!("http://{}/", receiver.address)}});
    let id = id_of(&app.upload("a.bmp", &test_image(200, 100, Format::Bmp), &spec).await);
    let input = app.directory.path().join("data/blobs/inputs").join(&id);
    let results = app.directory.path().join("data/blobs/results/2026-01-10");
    std::fs::create_dir_all(&results).expect("the directory is writable");
    // The test simulates two crashes: one before the file `unfinished` got its final name, and one just after
    // `twice_named` got its final name and before its temporary name was removed.
    let unfinished = results.join("f7f1-0d.jpg#1");
    let twice_named = input.with_file_name(format!("{id}#12"));
    std::fs::write(&unfinished, "half of the by").expect("the directory is writable");
    std::fs::hard_link(&input, &twice_named).expect("the directory is writable");
    assert_eq!(
        app.sweep.sweep_unfinished().await.expect("the sweep succeeds"),
        0,
        "the files may still be completed"
    );
    app.clock.advance(50 * 365 * 24 * 60 * 60 * 1000);
    assert_eq!(app.sweep.sweep_unfinished().await.expect("the sweep succeeds"), 2);
    assert!(input.exists() && !unfinished.exists() && !twice_named.exists());
}

#[tokio::test]
async fn the_sweep_removes_a_result_file_without_a_ledger_row_after_ten_days() {
    let app = TestApp::start().await;
    let key = Blobs::new_result_key(uuid::Uuid::new_v4(), "2026-01-10", "jpg");
    app.pipeline.blobs.put(&key, bytes::Bytes::from_static(b"bytes")).await.expect("the blob is stored");
    app.clock.advance(9 * 24 * 60 * 60 * 1000);
    assert_eq!(
        app.sweep.sweep().await.expect("the sweep succeeds").n_orphans,
        0,
        "an accepted job could still announce the result"
    );
    app.clock.advance(24 * 60 * 60 * 1000);
    assert_eq!(app.sweep.sweep().await.expect("the sweep succeeds").n_orphans, 1);
    assert_eq!(app.pipeline.blobs.get(&key).await.expect("the blob store is readable"), None);
}

#[tokio::test]
async fn the_webhook_list_is_filtered_and_shows_the_newest_webhook_first() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadRequest]]);
    let spec = json!({"webhook": {"url": format!("http://{}/", receiver.address)}});
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(id_of(&app.upload("a.png", &test_image(20, 10, Format::Png), &spec).await));
        app.clock.advance(1000);
    }
    let list = app.get("/1.0/webhooks?limit=2").await.json();
    assert_eq!(
        (&list["total"], &list["webhooks"][0]["id"], &list["webhooks"][1]["id"]),
        (&json!(3), &json!(ids[2]), &json!(ids[1]))
    );
    let list = app.get("/1.0/webhooks/?status=created&offset=2").await.json();
    assert_eq!(list["webhooks"].as_array().map(Vec::len), Some(1));
    assert_eq!(app.get("/1.0/webhooks?status=delivered,failed").await.json()["total"], 0);
    let later = app.get("/1.0/webhooks?start=2026-01-10T11:57:05Z").await.json();
    assert_eq!(later["total"], 2, "{later}");
    let invalid = app.get("/1.0/webhooks?limit=1000").await;
    assert!(
        invalid.status == 422 && invalid.json()["message"].to_string().contains("limit"),
        "{}",
        invalid.json()
    );
}

/// The stored JSON of the only request.
fn stored_spec(app: &TestApp) -> String {
    let database = rusqlite::Connection::open(app.directory.path().join("data/pixaven.db"))
        .expect("the database can be opened");
    database.query_row("SELECT spec FROM requests", [], |row| row.get(0)).expect("there is one request")
}

#[tokio::test]
async fn the_stored_json_of_a_request_is_sealed_until_the_job_ends_and_then_contains_no_secret() {
    let app = TestApp::start().await;
    let origin = ImageOrigin::start(documented_jpeg().into()).await.expect("the machine has a free port");
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let request = json!({
        "url": format!("{}?signature=secret1", origin.url("/image.jpg")),
        "headers": { "Authorization": "Bearer secret2" },
        "resize": { "width": 100 },
        "webhook": { "url": receiver.url("/hook").as_str(), "headers": { "X-Key": "secret3" } },
    });
    id_of(&app.fetch(&request).await);
    assert!(stored_spec(&app).starts_with("sealed.1."), "the job still needs the secrets");
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    let spec = stored_spec(&app);
    assert!(!spec.contains("secret") && spec.contains("width"), "{spec}");
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    assert_eq!(receiver.requests()[0].header("x-key"), Some("secret3"), "the webhook keeps its own headers");
}
