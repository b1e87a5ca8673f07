//! Tests image workers with hostile images and under load. One image must not make the processing of another
//! image fail.

use pixaven_imaging::plan::Format;
use pixaven_testkit::process::{ProcessStat, Signal, children, send_signal};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{respond_body, respond_status};
use serde_json::json;

use crate::test_app::TestApp;
use crate::test_images::{documented_jpeg, test_image};

#[tokio::test]
async fn an_idle_image_worker_that_is_killed_is_replaced_by_a_new_image_worker() {
    let app = TestApp::start().await;
    for pid in app.pipeline.sandbox.idle_pids() {
        kill(pid);
    }
    let response = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert!(response.status == 200 || response.status == 422, "{}", response.json());
    let response = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(response.status, 200, "{}", response.json());
}

/// Returns a request that keeps a worker busy for seconds although its image is small.
pub(crate) fn heavy_request() -> serde_json::Value {
    json!({"resize": {"mode": "exact", "width": 6000, "height": 6000}, "filter": {"blur": {"value": 50}, "edges": {"value": 50}}})
}

#[tokio::test]
async fn a_request_whose_image_exceeds_the_time_limit_fails_and_the_next_request_succeeds() {
    let app = TestApp::start_with(&[("images.wall_s", "1"), ("images.memory_bytes", "4294967296")]).await;
    let mut spec = heavy_request();
    spec["resize"]["width"] = json!(9000);
    spec["resize"]["height"] = json!(9000);
    let response = app.upload("small.jpg", &documented_jpeg(), &spec).await;
    assert_eq!((response.status, &response.json()["error"]), (422, &json!("timeout")), "{}", response.json());
    assert!(response.json()["message"].to_string().contains("1 s"), "{}", response.json());
    assert_works(&app).await;
}

#[tokio::test]
async fn a_job_may_run_longer_than_the_wall_clock_limit_while_its_image_worker_uses_cpu_time() {
    let app = TestApp::start_with(&[("images.wall_s", "1"), ("images.memory_bytes", "4294967296")]).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let mut spec = heavy_request();
    spec["resize"]["width"] = json!(9000);
    spec["resize"]["height"] = json!(9000);
    spec["webhook"] = json!({ "url": receiver.url("/").as_str() });
    assert_eq!(app.upload("small.jpg", &documented_jpeg(), &spec).await.status, 202);
    assert_eq!(delivered_payload(&app, &receiver).await["success"], true);
}

#[tokio::test]
async fn a_job_fails_at_the_wall_clock_limit_if_its_image_worker_uses_no_cpu_time() {
    let app = TestApp::start_with(&[("images.wall_s", "1")]).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str() } });
    assert_eq!(app.upload("small.jpg", &documented_jpeg(), &spec).await.status, 202);
    for pid in app.pipeline.sandbox.idle_pids() {
        send_signal(pid, Signal::STOP).expect("the worker can be stopped");
    }
    assert_eq!(delivered_payload(&app, &receiver).await["error"], "timeout");
    assert_works(&app).await;
}

#[tokio::test]
async fn an_image_that_needs_more_memory_than_a_worker_has_is_refused_before_a_worker_exceeds_the_limit() {
    let app = TestApp::start_with(&[("images.memory_bytes", "67108864")]).await;
    let sorted_pids = || {
        let mut pids = app.pipeline.sandbox.idle_pids();
        pids.sort_unstable();
        pids
    };
    let before = sorted_pids();
    let response = app.upload("small.jpg", &documented_jpeg(), &heavy_request()).await;
    let json = response.json();
    assert_eq!((response.status, &json["error"]), (422, &json!("image_too_large")), "{json}");
    let message = json["message"].to_string();
    assert!(message.contains("MiB of memory, and an image may use 64 MiB"), "{message}");
    assert!(message.contains("(the setting `images.memory_bytes`)"), "{message}");
    assert_eq!(sorted_pids(), before, "no worker was replaced");
    assert_works(&app).await;
}

#[tokio::test]
async fn buffers_that_an_image_worker_keeps_do_not_make_a_later_image_exceed_the_memory_limit() {
    // Each image needs more than half of the memory limit. A worker keeps the buffers of one image in memory
    // and uses them again for the next image.
    let app = TestApp::start_with(&[("images.memory_bytes", "268435456")]).await;
    for side in [4600, 5000, 4600, 5000] {
        let spec = json!({"resize": {"mode": "exact", "width": side, "height": side}});
        let response = app.upload("small.jpg", &documented_jpeg(), &spec).await;
        assert_eq!(response.status, 200, "{side}: {}", response.json());
    }
}

#[tokio::test]
async fn a_request_is_refused_with_503_and_retry_after_if_the_queue_for_image_workers_is_full() {
    let app = TestApp::start_with(&[("images.queue_count", "1")]).await;
    let (image, spec) = (documented_jpeg(), heavy_request());
    let calls = (0..6).map(|_| app.upload("small.jpg", &image, &spec));
    let responses = futures_util::future::join_all(calls).await;
    let n_served = responses.iter().filter(|response| response.status == 200).count();
    let refused: Vec<_> = responses.iter().filter(|response| response.status == 503).collect();
    assert_eq!((n_served > 0, n_served + refused.len()), (true, 6));
    assert!(!refused.is_empty(), "one worker and one place in the queue are too few for six requests");
    for response in refused {
        let seconds = response.header("Retry-After").and_then(|value| value.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| (1..=30).contains(&seconds)), "{seconds:?}");
        assert_eq!(response.json()["error"], "overloaded");
    }
}

#[tokio::test]
async fn a_fetch_is_refused_if_the_images_of_all_requests_would_exceed_the_input_memory_limit() {
    let app =
        TestApp::start_with(&[("images.queue_bytes", "3145728"), ("limits.body_bytes", "3145728")]).await;
    let mut other_inputs = app.pipeline.sources.memory.reserve();
    other_inputs.grow(2 << 20).expect("no input memory is in use yet");
    let origin = ScriptedReceiver::start(vec![respond_body(&vec![7; 2 << 20])]);
    let response = app.fetch(&json!({"url": origin.url("/large.jpg").as_str()})).await;
    assert_eq!(
        (response.status, &response.json()["error"]),
        (503, &json!("overloaded")),
        "{}",
        response.json()
    );
    drop(other_inputs);
    assert_works(&app).await;
}

#[tokio::test]
async fn the_image_of_a_client_that_disconnects_is_no_longer_processed() {
    let app = TestApp::start().await;
    let before = app.pipeline.sandbox.idle_pids();
    let (image, spec) = (documented_jpeg(), heavy_request());
    tokio::select! {
        _ = app.upload("small.jpg", &image, &spec) => panic!("the caller disconnects before the end"),
        () = wait_until_busy(before[0]) => {}
    }
    assert_works(&app).await;
    assert_ne!(
        app.pipeline.sandbox.idle_pids(),
        before,
        "the worker of the dropped image was killed and replaced"
    );
}

/// Returns a GIF of 800×800 pixels with `n_frames` frames, in which two different pictures alternate.
fn long_gif(n_frames: usize) -> Vec<u8> {
    let stills = [test_image(800, 600, Format::Gif), test_image(600, 800, Format::Gif)];
    // In a GIF with a single image, the bytes between the global palette and the trailer are one complete
    // frame.
    let palette_end = |gif: &[u8]| 13 + if gif[10] & 0x80 == 0 { 0 } else { 6 << (gif[10] & 7) };
    let mut gif = stills[0][..palette_end(&stills[0])].to_vec();
    gif[6..10].copy_from_slice(&[0x20, 0x03, 0x20, 0x03]);
    for n in 0..n_frames {
        let still = &stills[n % 2];
        gif.extend_from_slice(&still[palette_end(still)..still.len() - 1]);
    }
    gif.push(0x3b);
    gif
}

#[tokio::test]
async fn the_processing_of_a_long_animation_ends_at_once_when_the_client_disconnects() {
    let app = TestApp::start_with(&[("limits.pixels", "1000000000")]).await;
    let before = app.pipeline.sandbox.idle_pids();
    let (gif, spec) = (long_gif(250), json!({"output": {"format": "webp"}}));
    tokio::select! {
        _ = app.upload("long.gif", &gif, &spec) => panic!("the caller disconnects before the end"),
        () = wait_until_busy(before[0]) => {}
    }
    // The pool has an idle worker again as soon as it has killed and replaced the busy worker.
    let disconnected = std::time::Instant::now();
    while app.pipeline.sandbox.idle_pids().is_empty() {
        tokio::task::yield_now().await;
    }
    eprintln!("the work of the disconnected caller ended after {:?}", disconnected.elapsed());
    let after = app.pipeline.sandbox.idle_pids();
    assert_eq!(after.len(), 1);
    assert_ne!(after, before, "the worker of the dropped animation was killed and replaced");
    assert_works(&app).await;
}

/// Runs the only job and delivers its webhook. Returns the payload that the receiver got.
async fn delivered_payload(app: &TestApp, receiver: &ScriptedReceiver) -> serde_json::Value {
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    serde_json::from_slice(&receiver.requests()[0].body).expect("the payload is JSON")
}

/// Checks that the server still processes an image without an error.
async fn assert_works(app: &TestApp) {
    let response = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(response.status, 200, "{}", response.json());
}

/// Waits until a worker process has used five more clock ticks of processor time.
pub(crate) async fn wait_until_busy(pid: u32) {
    let before = cpu_ticks(pid);
    while cpu_ticks(pid) < before + 5 {
        tokio::task::yield_now().await;
    }
}

/// Returns the processor time that all workers of a server process have used so far, in clock ticks.
pub(crate) fn cpu_ticks_of_children(pid: u32) -> u64 {
    children(pid).values().map(|child| child.cpu_ticks).sum()
}

fn cpu_ticks(pid: u32) -> u64 {
    ProcessStat::read(pid).expect("the worker runs").cpu_ticks
}

/// Kills a worker process with SIGKILL.
pub(crate) fn kill(pid: u32) {
    send_signal(pid, Signal::KILL).expect("the worker can be killed");
}
