//! Image workers under attack and under load: what one image can do to others.

use pixaven_imaging::plan::Format;
use pixaven_testkit::process::{ProcessStat, Signal, children, send_signal};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_body;
use serde_json::json;

use crate::pictures::{documented_jpeg, picture};
use crate::test_app::TestApp;

#[tokio::test]
async fn a_worker_that_was_killed_while_idle_is_replaced_unnoticed() {
    let app = TestApp::start().await;
    for pid in app.pipeline.sandbox.idle_pids() {
        kill(pid);
    }
    let reply = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert!(reply.status == 200 || reply.status == 422, "{}", reply.json());
    let reply = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
}

/// Seconds of work from a small upload.
pub(crate) fn heavy() -> serde_json::Value {
    json!({"resize": {"mode": "exact", "width": 6000, "height": 6000}, "filter": {"blur": {"value": 50}, "edges": {"value": 50}}})
}

#[tokio::test]
async fn an_image_that_takes_too_long_costs_its_own_request_only() {
    let app = TestApp::start_with(&[("images.wall_s", "1")]).await;
    let mut spec = heavy();
    spec["resize"]["width"] = json!(9000);
    spec["resize"]["height"] = json!(9000);
    let reply = app.upload("small.jpg", &documented_jpeg(), &spec).await;
    assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("timeout")), "{}", reply.json());
    assert!(reply.json()["message"].to_string().contains("1 s"), "{}", reply.json());
    serves_again(&app).await;
}

#[tokio::test]
async fn an_image_that_takes_too_much_memory_costs_its_own_request_only() {
    let app = TestApp::start_with(&[("images.memory_bytes", "67108864")]).await;
    let reply = app.upload("small.jpg", &documented_jpeg(), &heavy()).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (422, &json!("processing_failed")),
        "{}",
        reply.json()
    );
    assert!(reply.json()["message"].to_string().contains("64 MiB"), "{}", reply.json());
    serves_again(&app).await;
}

#[tokio::test]
async fn what_earlier_images_left_in_a_worker_fails_no_later_one() {
    // Each of these takes more than half of the memory, and a worker keeps its buffers from image to image.
    let app = TestApp::start_with(&[("images.memory_bytes", "268435456")]).await;
    for side in [4600, 5000, 4600, 5000] {
        let spec = json!({"resize": {"mode": "exact", "width": side, "height": side}});
        let reply = app.upload("small.jpg", &documented_jpeg(), &spec).await;
        assert_eq!(reply.status, 200, "{side}: {}", reply.json());
    }
}

#[tokio::test]
async fn a_full_queue_is_answered_with_503_and_when_to_come_back() {
    let app = TestApp::start_with(&[("images.queue_count", "1")]).await;
    let (image, spec) = (documented_jpeg(), heavy());
    let calls = (0..6).map(|_| app.upload("small.jpg", &image, &spec));
    let replies = futures_util::future::join_all(calls).await;
    let n_served = replies.iter().filter(|reply| reply.status == 200).count();
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert_eq!((n_served > 0, n_served + refused.len()), (true, 6));
    assert!(!refused.is_empty(), "six at once do not fit into one worker and one place");
    for reply in refused {
        assert_eq!((reply.header("Retry-After"), &reply.json()["error"]), (Some("1"), &json!("overloaded")));
    }
}

#[tokio::test]
async fn memory_for_inputs_bounds_what_is_fetched() {
    let app =
        TestApp::start_with(&[("images.queue_bytes", "3145728"), ("limits.body_bytes", "3145728")]).await;
    let mut others = app.pipeline.sources.memory.reserve();
    others.grow(2 << 20).expect("nothing is held yet");
    let origin = ScriptedReceiver::start(vec![respond_body(&vec![7; 2 << 20])]);
    let reply = app.fetch(&json!({"url": origin.url("/large.jpg").as_str()})).await;
    assert_eq!((reply.status, &reply.json()["error"]), (503, &json!("overloaded")), "{}", reply.json());
    drop(others);
    serves_again(&app).await;
}

#[tokio::test]
async fn work_whose_caller_has_gone_is_dropped() {
    let app = TestApp::start().await;
    let before = app.pipeline.sandbox.idle_pids();
    let (image, spec) = (documented_jpeg(), heavy());
    tokio::select! {
        _ = app.upload("small.jpg", &image, &spec) => panic!("the picture takes longer than its caller waits"),
        () = until_busy(before[0]) => {}
    }
    serves_again(&app).await;
    assert_ne!(
        app.pipeline.sandbox.idle_pids(),
        before,
        "the worker on the unwanted picture was killed and replaced"
    );
}

/// A GIF of `n_frames` frames, which are two photographs by turns.
fn long_gif(n_frames: usize) -> Vec<u8> {
    let stills = [picture(800, 600, Format::Gif), picture(600, 800, Format::Gif)];
    // What lies between the global palette and the end is one frame with all that belongs to it.
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
async fn a_long_animation_nobody_waits_for_any_more_is_dropped_at_once() {
    let app = TestApp::start_with(&[("limits.pixels", "1000000000")]).await;
    let before = app.pipeline.sandbox.idle_pids();
    let (gif, spec) = (long_gif(250), json!({"output": {"format": "webp"}}));
    tokio::select! {
        _ = app.upload("long.gif", &gif, &spec) => panic!("the animation takes longer than its caller waits"),
        () = until_busy(before[0]) => {}
    }
    // Nothing but its end lets a busy worker make way for another one.
    let left = std::time::Instant::now();
    while app.pipeline.sandbox.idle_pids().is_empty() {
        tokio::task::yield_now().await;
    }
    eprintln!("the work of a caller who left ended after {:?}", left.elapsed());
    let after = app.pipeline.sandbox.idle_pids();
    assert_eq!(after.len(), 1);
    assert_ne!(after, before, "the worker on the unwanted animation was killed and replaced");
    serves_again(&app).await;
}

async fn serves_again(app: &TestApp) {
    let reply = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
}

/// Returns once a worker has begun to compute.
pub(crate) async fn until_busy(pid: u32) {
    let before = cpu_ticks(pid);
    while cpu_ticks(pid) < before + 5 {
        tokio::task::yield_now().await;
    }
}

/// What all workers of a process have computed so far.
pub(crate) fn cpu_ticks_of_children(pid: u32) -> u64 {
    children(pid).values().map(|child| child.cpu_ticks).sum()
}

fn cpu_ticks(pid: u32) -> u64 {
    ProcessStat::read(pid).expect("the worker runs").cpu_ticks
}

pub(crate) fn kill(pid: u32) {
    send_signal(pid, Signal::KILL).expect("the worker can be killed");
}
