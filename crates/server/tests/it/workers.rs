//! Image workers under attack and under load: what one image can do to others.

use std::time::Duration;

use serde_json::json;

use pixaven_imaging::plan::Format;

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

#[tokio::test]
async fn an_image_that_takes_too_long_costs_its_own_request_only() {
    let app = TestApp::start_with(&[("images.wall_s", "1"), ("jobs.lease_s", "240")]).await;
    let large = picture(6000, 5000, Format::Png);
    let heavy = json!({"resize": {"width": 20000, "height": 5000, "mode": "exact"}, "output": {"format": "webp", "lossless": true}});
    let reply = app.upload("large.png", &large, &heavy).await;
    assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("timeout")), "{}", reply.json());
    assert!(reply.json()["message"].to_string().contains("1 s"), "{}", reply.json());
    let reply = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
}

#[tokio::test]
async fn an_image_that_takes_too_much_memory_costs_its_own_request_only() {
    let app = TestApp::start_with(&[("images.memory_bytes", "67108864")]).await;
    let large = picture(7000, 7000, Format::Png);
    let reply = app.upload("large.png", &large, &json!({"output": {"format": "webp", "lossless": true}})).await;
    assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("processing_failed")), "{}", reply.json());
    assert!(reply.json()["message"].to_string().contains("64 MiB"), "{}", reply.json());
    let reply = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
}

#[tokio::test]
async fn a_full_queue_is_answered_with_503_and_when_to_come_back() {
    let app = TestApp::start_with(&[("images.queue_count", "1")]).await;
    let large = picture(4000, 3000, Format::Png);
    let spec = json!({"output": {"format": "webp", "lossless": true}});
    let calls = (0..6).map(|_| app.upload("large.png", &large, &spec));
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
async fn work_whose_caller_has_gone_is_dropped() {
    let app = TestApp::start().await;
    let large = picture(5000, 4000, Format::Png);
    let spec = json!({"output": {"format": "webp", "lossless": true}});
    let gone = tokio::time::timeout(Duration::from_millis(300), app.upload("large.png", &large, &spec)).await;
    assert!(gone.is_err(), "the picture takes longer than the caller waits");
    // The one worker is free again at once: this one does not wait for the picture nobody wants.
    let reply = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
}

#[cfg(unix)]
fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "the worker can be killed");
}
