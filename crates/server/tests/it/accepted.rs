//! Accepted requests from the `202` to the delivered webhook, through crashes of workers and restarts of the server.

use serde_json::{Value, json};

use pixaven::work::blobs::Blobs;
use pixaven_imaging::plan::Format;
use pixaven_ledger::ReleaseReason;
use pixaven_testkit::image_origin::ImageOrigin;
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond_status};
use pixaven_testkit::wire_client::WireResponse;

use crate::pictures::{documented_jpeg, picture};
use crate::test_app::TestApp;
use crate::workers;

fn id_of(reply: &WireResponse) -> String {
    let json = reply.json();
    assert_eq!((reply.status, &json["success"], &json["code"]), (202, &json!(true), &json!(202)), "{json}");
    assert_eq!(reply.header("Status"), Some("202 ACCEPTED"));
    json["id"].as_str().expect("an id").to_owned()
}

async fn webhook(app: &TestApp, id: &str) -> Value {
    let reply = app.get(&format!("/1.0/webhooks/{id}")).await;
    assert_eq!(reply.status, 200);
    reply.json()["webhook"].clone()
}

#[tokio::test]
async fn the_documented_job_goes_all_the_way() {
    let app = TestApp::start().await;
    let origin = ImageOrigin::start(documented_jpeg().into()).await.expect("a free port");
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let url = origin.url("/photos/image.jpg");
    let to = format!("http://user:pass@{}/hook?x=1", receiver.address);
    let id = id_of(&app.fetch(&json!({"url": url, "resize": {"width": 100}, "webhook": {"url": to}})).await);
    assert_eq!(webhook(&app, &id).await["status"], "created");

    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);
    let waiting = webhook(&app, &id).await;
    assert_eq!((&waiting["status"], &waiting["payload"]["id"]), (&json!("scheduled"), &json!(id)));
    assert_eq!(app.dispatcher.step().await.expect("webhooks are sent"), 1);

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
    let file = app.download(payload["output"]["url"].as_str().expect("a link")).await;
    assert_eq!((file.status, json!(file.body.len())), (200, payload["output"]["bytes"].clone()));
}

#[tokio::test]
async fn an_accepted_upload_survives_a_restart_and_its_input_goes_when_it_is_done() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({"resize": {"width": 50}, "webhook": {"url": format!("http://{}/", receiver.address)}});
    let small = id_of(&app.upload("small.png", &picture(20, 10, Format::Png), &spec).await);
    let id = id_of(&app.upload("caf\u{e9}.bmp", &picture(200, 100, Format::Bmp), &spec).await);
    let directory = app.stop().await;
    assert!(!directory.path().join("data/blobs/inputs").join(&small).exists(), "a small one is no file");
    let input = directory.path().join("data/blobs/inputs").join(&id);
    assert!(input.exists(), "the input waits on disk");

    let app = TestApp::start_in(directory, &[]).await;
    assert_eq!(app.jobs.step().await.expect("jobs run"), 2);
    assert_eq!(app.dispatcher.step().await.expect("webhooks are sent"), 2);
    let mut names: Vec<_> = receiver
        .requests()
        .iter()
        .map(|received| serde_json::from_slice::<Value>(&received.body).expect("JSON"))
        .map(|payload| (payload["id"].to_string(), payload["input"]["name"].to_string()))
        .collect();
    names.sort_by_key(|(_, name)| std::cmp::Reverse(name.clone()));
    let expected = [(&small, "small.png"), (&id, "caf\u{e9}.bmp")];
    assert_eq!(names, expected.map(|(id, name)| (json!(id).to_string(), json!(name).to_string())));
    assert!(!input.exists(), "a used input is removed");
}

#[tokio::test]
async fn a_delay_counts_from_the_end_of_processing() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({"webhook": {"url": format!("http://{}/", receiver.address), "delay": 604_800}});
    let id = id_of(&app.upload("a.png", &picture(20, 10, Format::Png), &spec).await);
    app.clock.advance(60_000);
    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);
    app.clock.advance(604_800_000 - 1);
    assert_eq!(app.dispatcher.step().await.expect("nothing is due"), 0);
    app.clock.advance(1);
    assert_eq!(app.dispatcher.step().await.expect("webhooks are sent"), 1);
    assert_eq!(webhook(&app, &id).await["status"], "delivered");
}

#[tokio::test]
async fn what_fell_due_in_two_months_without_a_server_is_sent_all_the_same() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str(), "delay": 604_800 } });
    let id = id_of(&app.upload("a.png", &picture(4, 4, Format::Png), &spec).await);
    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);
    app.clock.advance(61 * 24 * 60 * 60 * 1_000);
    assert_eq!(app.dispatcher.step().await.expect("webhooks are sent"), 1);
    assert_eq!(webhook(&app, &id).await["status"], "delivered");
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_failed_image_is_announced_too() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let to = json!({"url": format!("http://{}/", receiver.address)});
    let mut broken = documented_jpeg();
    broken.truncate(100);
    let id = id_of(&app.upload("broken.jpg", &broken, &json!({"webhook": to})).await);
    app.jobs.step().await.expect("jobs run");
    app.dispatcher.step().await.expect("webhooks are sent");
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("JSON");
    assert_eq!(
        (&payload["success"], &payload["code"], &payload["id"]),
        (&json!(false), &json!(422), &json!(id))
    );
    assert_eq!(payload["error"], "image_corrupt");
}

#[tokio::test]
async fn a_source_that_is_not_there_and_one_that_may_not_be_asked_read_alike() {
    let app = TestApp::start_with(&[("network.allow", "127.0.0.1/32")]).await;
    let closed = ClosedPort::reserve();
    let mut messages = Vec::new();
    for host in
        [closed.address.to_string(), "10.0.0.1".to_owned(), "[::1]:9".to_owned(), "127.0.0.2:9".to_owned()]
    {
        let reply = app.fetch(&json!({"url": format!("http://{host}/x.jpg")})).await;
        assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("source_unreachable")), "{host}");
        messages.push(reply.json()["message"].clone());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[tokio::test]
async fn a_job_whose_worker_dies_is_tried_once_more_then_fails_visibly() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let to = json!({"url": format!("http://{}/", receiver.address)});
    let mut spec = workers::heavy();
    spec["webhook"] = to;
    let id = id_of(&app.upload("small.jpg", &documented_jpeg(), &spec).await);
    for _try in 0..2 {
        let pid = app.pipeline.sandbox.idle_pids()[0];
        let kill = async {
            workers::until_busy(pid).await;
            workers::kill(pid);
        };
        let (stepped, ()) = tokio::join!(app.jobs.step(), kill);
        assert_eq!(stepped.expect("jobs run"), 1);
    }
    assert_eq!(app.dispatcher.step().await.expect("webhooks are sent"), 1);
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("JSON");
    assert_eq!(
        (&payload["success"], &payload["error"], &payload["id"]),
        (&json!(false), &json!("processing_failed"), &json!(id))
    );
    let reply = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(reply.status, 200, "the server is as good as new: {}", reply.json());
}

#[tokio::test]
async fn a_job_given_back_by_a_stopping_server_is_done_by_the_next() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({"webhook": {"url": format!("http://{}/", receiver.address)}});
    id_of(&app.upload("a.png", &picture(20, 10, Format::Png), &spec).await);
    let mut claimed = app.ledger.claim_jobs(1, 60_000).await.expect("a job is due");
    app.ledger.release_job(claimed.remove(0), ReleaseReason::Stopped).await.expect("the lease is ours");
    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);
    assert_eq!(app.dispatcher.step().await.expect("webhooks are sent"), 1);
}

#[tokio::test]
async fn an_upload_that_was_never_accepted_is_swept() {
    let app = TestApp::start().await;
    let orphan = uuid::Uuid::new_v4();
    let key = Blobs::input_key(orphan);
    app.pipeline.blobs.put(&key, bytes::Bytes::from_static(b"bytes")).await.expect("a blob");
    // Files carry the time of the machine, which is later than the test's clock; move that beyond an hour from now.
    app.clock.advance(50 * 365 * 24 * 60 * 60 * 1000);
    assert_eq!(app.sweep.sweep().await.expect("the sweep works").n_orphans, 1);
    assert_eq!(app.pipeline.blobs.get(&key).await.expect("readable"), None);
}

#[tokio::test]
async fn a_file_that_a_crash_cut_off_is_removed_and_no_other() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({"webhook": {"url": format!("http://{}/", receiver.address)}});
    let id = id_of(&app.upload("a.bmp", &picture(200, 100, Format::Bmp), &spec).await);
    let input = app.directory.path().join("data/blobs/inputs").join(&id);
    let results = app.directory.path().join("data/blobs/results/2026-01-10");
    std::fs::create_dir_all(&results).expect("writable");
    // Cut off before it had its name, and just after.
    let unfinished = results.join("f7f1-0d.jpg#1");
    let twice_named = input.with_file_name(format!("{id}#12"));
    std::fs::write(&unfinished, "half of the by").expect("writable");
    std::fs::hard_link(&input, &twice_named).expect("writable");
    assert_eq!(app.sweep.sweep_unfinished().await.expect("the sweep works"), 0, "it may still be completed");
    app.clock.advance(50 * 365 * 24 * 60 * 60 * 1000);
    assert_eq!(app.sweep.sweep_unfinished().await.expect("the sweep works"), 2);
    assert!(input.exists() && !unfinished.exists() && !twice_named.exists());
}

#[tokio::test]
async fn a_result_that_a_crash_left_without_a_row_is_swept_when_its_day_is_over() {
    let app = TestApp::start().await;
    let key = Blobs::new_result_key(uuid::Uuid::new_v4(), "2026-01-10", "jpg");
    app.pipeline.blobs.put(&key, bytes::Bytes::from_static(b"bytes")).await.expect("a blob");
    app.clock.advance(9 * 24 * 60 * 60 * 1000);
    assert_eq!(app.sweep.sweep().await.expect("the sweep works").n_orphans, 0, "it could still be announced");
    app.clock.advance(24 * 60 * 60 * 1000);
    assert_eq!(app.sweep.sweep().await.expect("the sweep works").n_orphans, 1);
    assert_eq!(app.pipeline.blobs.get(&key).await.expect("readable"), None);
}

#[tokio::test]
async fn the_list_shows_the_latest_first_and_filters() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadRequest]]);
    let spec = json!({"webhook": {"url": format!("http://{}/", receiver.address)}});
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(id_of(&app.upload("a.png", &picture(20, 10, Format::Png), &spec).await));
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
    let wrong = app.get("/1.0/webhooks?limit=1000").await;
    assert!(wrong.status == 422 && wrong.json()["message"].to_string().contains("limit"), "{}", wrong.json());
}
