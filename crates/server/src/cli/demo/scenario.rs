//! The scenario of the demo, in four chapters. The demo checks every statement before it prints the
//! statement.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http::{StatusCode, header};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::Demo;
use super::endpoints::{N_FAILURES, ReceivedWebhook, UNRELIABLE};
use super::signature::{self, VerifiedWebhook};

/// The path of the receiver's endpoint that always succeeds.
const RELIABLE: &str = "/hooks/reliable";

/// The width of the processed images, in pixels.
const WIDTH: u32 = 300;

/// The longest time that the demo waits until the webhook history shows an expected status.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval at which the demo queries the webhook history.
const HISTORY_INTERVAL: Duration = Duration::from_millis(20);

/// A request that the server answered with 202.
struct AcceptedRequest {
    id: String,
    accepted_at: Instant,
}

/// Runs all chapters of the demo. The first failed check ends the demo with an error.
pub(super) async fn run(demo: &mut Demo) -> anyhow::Result<()> {
    image_and_webhook(demo).await.context("1. an image in, a webhook out")?;
    delayed_webhook(demo).await.context("2. with a delay")?;
    unreliable_receiver(demo).await.context("3. a receiver that fails twice")?;
    broken_image(demo).await.context("4. a broken image")
}

/// Chapter 1 of the demo: an image is processed, and a webhook announces the result.
async fn image_and_webhook(demo: &mut Demo) -> anyhow::Result<()> {
    demo.terminal.heading("1  An image in, a webhook out");
    let accepted = send_request(demo, "/photo.jpg", json!({ "url": demo.endpoints.url(RELIABLE) })).await?;
    let webhook = demo.endpoints.expect_webhook(RELIABLE).await?;
    let payload = verify_webhook(demo, &webhook, &accepted, 1)?;
    demo.terminal.webhook(&webhook, Some(&time_since_accepted(&accepted, &webhook)));
    demo.terminal.blank_line();
    demo.terminal.success("the signature was made with the account's secret");
    check_success(&payload)?;

    let entry = wait_for_history(demo, &accepted.id, "delivered").await?;
    let attempts = entry["attempts"].as_array().context("the history has no attempts")?;
    ensure!(attempts.len() == 1 && entry["payload"] == payload, "the history tells something else: {entry}");
    demo.terminal.success(&format!("GET /1.0/webhooks/{} says the same:", accepted.id));
    demo.terminal.blank_line();
    let mut entry = entry;
    entry["payload"] = json!("… the JSON above …");
    demo.terminal.json(&entry);
    demo.terminal.blank_line();
    download_result(demo, &payload).await
}

/// Chapter 2 of the demo: a webhook is sent after the delay that its request asked for.
async fn delayed_webhook(demo: &mut Demo) -> anyhow::Result<()> {
    demo.terminal.heading("2  The same, a second later");
    let webhook_spec = json!({ "url": demo.endpoints.url(RELIABLE), "delay": 1 });
    let accepted = send_request(demo, "/photo.jpg", webhook_spec).await?;
    wait_for_history(demo, &accepted.id, "scheduled").await?;
    demo.terminal.success("the image is ready; its webhook waits: scheduled");
    let webhook = demo.endpoints.expect_webhook(RELIABLE).await?;
    let payload = verify_webhook(demo, &webhook, &accepted, 1)?;
    check_success(&payload)?;
    ensure!(webhook.received_at - accepted.accepted_at >= Duration::from_secs(1), "the webhook came early");
    demo.terminal.webhook_line(&webhook, &time_since_accepted(&accepted, &webhook));
    wait_for_history(demo, &accepted.id, "delivered").await?;
    demo.terminal.success("delivered");
    Ok(())
}

/// Chapter 3 of the demo: the server sends a webhook again until the receiver accepts it.
async fn unreliable_receiver(demo: &mut Demo) -> anyhow::Result<()> {
    demo.terminal.heading("3  A receiver that fails twice, then works");
    demo.terminal.note("The demo's server tries again after one second; the standard schedule takes days before it gives up.");
    demo.terminal.blank_line();
    let accepted = send_request(demo, "/photo.jpg", json!({ "url": demo.endpoints.url(UNRELIABLE) })).await?;
    let mut first_body = None;
    for attempt in 1..=N_FAILURES + 1 {
        let webhook = demo.endpoints.expect_webhook(UNRELIABLE).await?;
        check_success(&verify_webhook(demo, &webhook, &accepted, attempt)?)?;
        let first_body = first_body.get_or_insert_with(|| webhook.body.clone());
        ensure!(*first_body == webhook.body, "attempt {attempt} sent other bytes than the first");
        let expected = if attempt <= N_FAILURES { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        ensure!(webhook.answer == expected, "the receiver said {} to attempt {attempt}", webhook.answer);
        demo.terminal.webhook_line(
            &webhook,
            &format!("attempt {attempt}, {}", time_since_accepted(&accepted, &webhook)),
        );
    }
    demo.terminal.success("always the same id and the same bytes");

    let entry = wait_for_history(demo, &accepted.id, "delivered").await?;
    let attempts = entry["attempts"].as_array().context("the history has no attempts")?;
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt["status"].as_u64()).collect();
    ensure!(statuses == [Some(503), Some(503), Some(200)], "the history has other attempts: {attempts:?}");
    demo.terminal.success("delivered; the history shows every attempt:");
    for attempt in attempts {
        let (number, started) = (&attempt["number"], attempt["started"].as_str().unwrap_or_default());
        let (status, duration_ms) = (&attempt["status"], &attempt["duration_ms"]);
        demo.terminal.note(&format!("  {number}  {started}  {status} after {duration_ms} ms"));
    }
    Ok(())
}

/// Chapter 4 of the demo: a webhook reports that the image is broken.
async fn broken_image(demo: &mut Demo) -> anyhow::Result<()> {
    demo.terminal.heading("4  A broken image");
    let accepted = send_request(demo, "/broken.jpg", json!({ "url": demo.endpoints.url(RELIABLE) })).await?;
    let webhook = demo.endpoints.expect_webhook(RELIABLE).await?;
    let payload = verify_webhook(demo, &webhook, &accepted, 1)?;
    let is_corrupt_image =
        payload["success"] == false && payload["code"] == 422 && payload["error"] == "image_corrupt";
    ensure!(
        is_corrupt_image && payload["message"].is_string(),
        "not the failure of a broken image: {payload}"
    );
    demo.terminal.webhook_line(&webhook, &time_since_accepted(&accepted, &webhook));
    demo.terminal.json(&payload);
    demo.terminal.blank_line();
    wait_for_history(demo, &accepted.id, "delivered").await?;
    demo.terminal.success("the failure was delivered like a result, and the server goes on");
    Ok(())
}

/// Sends a request to process an image of the origin, and prints the request and its response.
///
/// # Errors
/// The function fails if the server does not accept the request.
async fn send_request(demo: &Demo, image: &str, webhook: Value) -> anyhow::Result<AcceptedRequest> {
    let request =
        json!({ "url": demo.endpoints.url(image), "resize": { "width": WIDTH }, "webhook": webhook });
    demo.terminal.command(&demo.client.curl("/1.0/fetch", &request));
    let sent_at = Instant::now();
    let response = demo.client.post("/1.0/fetch", &request).await?;
    let accepted_at = Instant::now();
    let json = response.json(StatusCode::ACCEPTED)?;
    let id = json["id"].as_str().context("the 202 has no id")?.to_owned();
    ensure!(json["success"] == true && json["code"] == 202, "not the envelope of a 202: {json}");
    let note = format!("after {}, the request is on disk", format_time(accepted_at - sent_at));
    demo.terminal.response(response.status, &note, &String::from_utf8_lossy(&response.body));
    Ok(AcceptedRequest { id, accepted_at })
}

/// Verifies the signature, the id and the attempt number of a webhook, as a receiver should do, and returns
/// the payload of the webhook.
fn verify_webhook(
    demo: &Demo,
    webhook: &ReceivedWebhook,
    accepted: &AcceptedRequest,
    attempt: u32,
) -> anyhow::Result<Value> {
    let verified = signature::verify(&webhook.headers, &webhook.body, demo.secret.expose())?;
    let expected = VerifiedWebhook { id: accepted.id.clone(), attempt };
    ensure!(verified == expected, "expected {expected:?}, got {verified:?}");
    let payload: Value = serde_json::from_slice(&webhook.body).context("the webhook carries no JSON")?;
    ensure!(payload["id"] == accepted.id.as_str(), "the webhook reports another request: {payload}");
    Ok(payload)
}

/// Checks that the payload of a webhook reports a processed image of the expected width.
fn check_success(payload: &Value) -> anyhow::Result<()> {
    let output = &payload["output"];
    let is_resized = payload["success"] == true && payload["code"] == 200 && output["width"] == WIDTH;
    ensure!(
        is_resized && output["url"].is_string(),
        "not the envelope of a picture {WIDTH} pixels wide: {payload}"
    );
    Ok(())
}

/// Waits until the entry of a request in the webhook history has the status `status`, and returns the entry.
async fn wait_for_history(demo: &Demo, id: &str, status: &str) -> anyhow::Result<Value> {
    let path = format!("/1.0/webhooks/{id}");
    let mut ticks = tokio::time::interval(HISTORY_INTERVAL);
    let mut last = Value::Null;
    let wait = async {
        loop {
            ticks.tick().await;
            last = demo.client.get(&path).await?.json(StatusCode::OK)?["webhook"].take();
            if last["status"] == status {
                return anyhow::Ok(());
            }
        }
    };
    match tokio::time::timeout(HISTORY_TIMEOUT, wait).await {
        Ok(found) => found.map(|()| last),
        Err(_elapsed) => anyhow::bail!("the history does not say {status:?}: {last}"),
    }
}

/// Downloads the processed image, checks its hash and its size against the payload of the webhook, and saves
/// a copy for the user.
async fn download_result(demo: &Demo, payload: &Value) -> anyhow::Result<()> {
    let output = &payload["output"];
    let url = output["url"].as_str().context("the webhook names no result")?;
    let response = demo.client.get(demo.client.path(url)?).await?;
    ensure!(response.status == StatusCode::OK, "the result cannot be downloaded: {}", response.status);
    let sha1: String = Sha1::digest(&response.body).iter().map(|byte| format!("{byte:02x}")).collect();
    let is_same_file = output["sha1"] == sha1.as_str() && output["bytes"] == response.body.len();
    ensure!(is_same_file, "the downloaded file is not the one the webhook speaks of");
    let extension = match response.headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes) {
        Some(b"image/png") => "png",
        Some(b"image/gif") => "gif",
        Some(b"image/webp") => "webp",
        _ => "jpg",
    };
    let file = demo.pictures.join(format!("resized.{extension}"));
    std::fs::write(&file, &response.body).context("the result cannot be written")?;
    let (width, height) = (&output["width"], &output["height"]);
    demo.terminal.success(&format!("the picture, {width}×{height} pixels, {} bytes:", response.body.len()));
    demo.terminal.field("  result", url);
    demo.terminal.field("  copy", &file.display().to_string());
    Ok(())
}

fn time_since_accepted(accepted: &AcceptedRequest, webhook: &ReceivedWebhook) -> String {
    format!(
        "{} after the 202",
        format_time(webhook.received_at.saturating_duration_since(accepted.accepted_at))
    )
}

/// Formats a duration: in milliseconds if the duration is shorter than one second, and in seconds if it is
/// not.
fn format_time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms >= 1000.0 { format!("{:.2} s", ms / 1000.0) } else { format!("{ms:.1} ms") }
}
