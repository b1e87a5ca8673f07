//! Tests of a server that gets more work than the server can do. The server refuses at once every request whose
//! image would wait too long for a worker, and processes light images although heavy images wait.

use std::net::SocketAddr;

use pixaven::work::Caller;
use pixaven::work::sandbox::Ticket;
use pixaven_testkit::multipart;
use pixaven_testkit::ports::unused_address;
use serde_json::json;

use crate::image_workers::heavy_request;
use crate::strangers::exchange;
use crate::test_app::TestApp;
use crate::test_images::documented_jpeg;

/// Reserves places in the queue for `n` uploads of `n_bytes` bytes whose bodies have not arrived yet. The
/// server first estimates 0.1 s for each megabyte.
fn announce(app: &TestApp, n: usize, n_bytes: u64) -> Vec<Ticket> {
    let admit = |_| app.pipeline.sandbox.admit(Caller::Interactive, Some(n_bytes));
    (0..n).map_while(|n| admit(n).ok()).collect()
}

/// The head of an upload with a declared length, without the empty line after it.
fn upload_head(app: &TestApp, path: &str, n_bytes: usize, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\n\
         Content-Length: {n_bytes}{more}",
        app.address,
        app.key,
        multipart::CONTENT_TYPE
    )
}

fn retry_after_s(response: &str) -> u64 {
    let (_, rest) = response.split_once("\r\nRetry-After: ").expect("a refusal says when to try again");
    rest.split("\r\n").next().and_then(|value| value.parse().ok()).expect("the time is in seconds")
}

/// Checks that an upload is refused although only its head and `body` arrive.
async fn assert_refused(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let response = exchange(address, head, body).await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.contains("\r\nConnection: close\r\n") && response.contains("overloaded"), "{response}");
    response
}

#[tokio::test]
async fn an_upload_that_would_wait_too_long_for_a_worker_is_refused_before_its_body_is_sent() {
    let app = TestApp::start().await;
    let announced = announce(&app, 4, 30 << 20);
    assert_eq!(announced.len(), 4);
    for path in ["/1.0/upload", "/1.0/watermarks"] {
        let waits = upload_head(&app, path, 50 << 20, "\r\nExpect: 100-continue");
        let refused = assert_refused(app.address, &waits, b"").await;
        let seconds = retry_after_s(&refused);
        assert!((12..=15).contains(&seconds), "four images of 3.1 s come first: {seconds}");
        let sends = upload_head(&app, path, 50 << 20, "");
        assert_refused(app.address, &sends, &vec![b'x'; 65 << 10]).await;
    }
    drop(announced);
    let next = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(next.status, 200, "{}", next.json());
}

#[tokio::test]
async fn a_small_upload_is_processed_although_the_queue_is_too_long_for_further_large_uploads() {
    let app = TestApp::start().await;
    let _announced = announce(&app, 100, 30 << 20);
    let response = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 10}})).await;
    assert_eq!(response.status, 200, "{}", response.json());
}

#[tokio::test]
async fn an_upload_larger_than_the_free_input_memory_is_refused_before_its_body_is_sent() {
    let app =
        TestApp::start_with(&[("images.queue_bytes", "3145728"), ("limits.body_bytes", "3145728")]).await;
    let mut other_images = app.pipeline.sources.memory.reserve();
    other_images.grow(2 << 20).expect("no memory is in use yet");
    for path in ["/1.0/upload", "/1.0/watermarks"] {
        let head = upload_head(&app, path, 2 << 20, "\r\nExpect: 100-continue");
        assert_refused(app.address, &head, b"").await;
    }
}

#[tokio::test]
async fn a_fetch_that_would_wait_too_long_for_a_worker_is_refused_at_once_unless_it_has_a_webhook() {
    let app = TestApp::start_with(&[("images.queue_count", "100000")]).await;
    let _announced = announce(&app, 10_000, 100_000);
    let url = format!("http://{}/a.jpg", unused_address());
    let refused = app.fetch(&json!({ "url": url })).await;
    assert_eq!((refused.status, &refused.json()["error"]), (503, &json!("overloaded")));
    let accepted = app.fetch(&json!({ "url": url, "webhook": { "url": url } })).await;
    assert_eq!(accepted.status, 202, "{}", accepted.json());
}

#[tokio::test]
async fn an_express_worker_processes_a_light_image_while_a_heavy_image_keeps_the_ordinary_worker_busy() {
    let app = TestApp::start_with(&[("images.express_workers", "1")]).await;
    let (image, heavy) = (documented_jpeg(), heavy_request());
    let light = async {
        while app.pipeline.sandbox.idle_pids().len() == 2 {
            tokio::task::yield_now().await;
        }
        app.upload("light.jpg", &image, &json!({"resize": {"width": 10}})).await
    };
    tokio::select! {
        biased;
        _ = app.upload("heavy.jpg", &image, &heavy) => panic!("the heavy image ends first"),
        response = light => assert_eq!(response.status, 200, "{}", response.json()),
    }
}

/// A small SVG file that takes much longer than the server estimates from the size of the file.
const SLOW_SVG: &[u8] = br##"<svg xmlns="http://www.w3.org/2000/svg" width="1500" height="1500">
    <filter id="a"><feTurbulence baseFrequency="0.02" numOctaves="8"/><feGaussianBlur stdDeviation="9"/></filter>
    <rect width="1500" height="1500" filter="url(#a)"/></svg>"##;

#[tokio::test]
async fn an_image_that_takes_much_longer_than_expected_frees_the_express_worker_for_light_images() {
    let app = TestApp::start_with(&[("images.express_workers", "1")]).await;
    let (image, heavy) = (documented_jpeg(), heavy_request());
    let n_idle = || app.pipeline.sandbox.idle_pids().len();
    let slow = async {
        while n_idle() == 2 {
            tokio::task::yield_now().await;
        }
        app.upload("slow.svg", SLOW_SVG, &json!({})).await
    };
    let light = async {
        while n_idle() > 0 {
            tokio::task::yield_now().await;
        }
        app.upload("light.jpg", &image, &json!({"resize": {"width": 10}})).await
    };
    let (mut slow, mut light) = (std::pin::pin!(slow), std::pin::pin!(light));
    let mut heavy = std::pin::pin!(app.upload("heavy.jpg", &image, &heavy));
    tokio::select! {
        biased;
        _ = &mut heavy => panic!("the heavy image ends first"),
        _ = &mut slow => panic!("the slow image ends before a light image that came later"),
        response = &mut light => assert_eq!(response.status, 200, "{}", response.json()),
    }
    let (heavy, slow) = tokio::join!(heavy, slow);
    assert_eq!((heavy.status, slow.status), (200, 200), "{}", slow.json());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_image_worker_runs_with_low_cpu_priority_only_after_it_received_a_heavy_image() {
    let app = TestApp::start().await;
    let nice = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", app.pipeline.sandbox.idle_pids()[0]));
        let stat = stat.expect("the worker runs");
        let (_, fields) = stat.rsplit_once(") ").expect("the name ends");
        fields
            .split(' ')
            .nth(16)
            .and_then(|field| field.parse::<i32>().ok())
            .expect("field 19 is the nice value")
    };
    let image = documented_jpeg();
    for (spec, expected) in [
        (json!({"resize": {"width": 10}}), 0),
        (json!({"resize": {"mode": "exact", "width": 4000, "height": 4000}}), 10),
    ] {
        let before = nice();
        let response = app.upload("a.jpg", &image, &spec).await;
        assert_eq!((response.status, nice()), (200, before.max(expected)));
    }
}
