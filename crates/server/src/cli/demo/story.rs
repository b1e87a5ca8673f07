//! The four things the demo shows. Every statement on the screen was checked before it was printed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http::{StatusCode, header};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::Stage;
use super::neighbours::{Arrival, N_FAILURES, UNRELIABLE};
use super::receipt::{self, Receipt};

const RELIABLE: &str = "/hooks/reliable";

/// Width that the demo asks for, in pixels.
const WIDTH: u32 = 300;

/// How long the history may take to show what has just happened, and how often it is asked.
const HISTORY_PATIENCE: Duration = Duration::from_secs(10);
const HISTORY_INTERVAL: Duration = Duration::from_millis(20);

/// An accepted request.
struct Accepted {
    id: String,
    at: Instant,
}

/// All chapters; stops at the first that does not go as it should.
pub(super) async fn tell(stage: &mut Stage) -> anyhow::Result<()> {
    simple(stage).await.context("1. an image in, a webhook out")?;
    delayed(stage).await.context("2. with a delay")?;
    unreliable(stage).await.context("3. a receiver that fails twice")?;
    broken(stage).await.context("4. a broken image")
}

async fn simple(stage: &mut Stage) -> anyhow::Result<()> {
    stage.screen.heading("1  An image in, a webhook out");
    let accepted = accept(stage, "/photo.jpg", json!({ "url": stage.neighbours.url(RELIABLE) })).await?;
    let arrival = stage.neighbours.expect(RELIABLE).await?;
    let payload = received(stage, &arrival, &accepted, 1)?;
    stage.screen.arrival(&arrival, Some(&since(&accepted, &arrival)));
    stage.screen.gap();
    stage.screen.good("the signature was made with the account's secret");
    success(&payload)?;

    let entry = history(stage, &accepted.id, "delivered").await?;
    let attempts = entry["attempts"].as_array().context("the history has no attempts")?;
    ensure!(attempts.len() == 1 && entry["payload"] == payload, "the history tells something else: {entry}");
    stage.screen.good(&format!("GET /1.0/webhooks/{} says the same:", accepted.id));
    stage.screen.gap();
    let mut entry = entry;
    entry["payload"] = json!("… the JSON above …");
    stage.screen.json(&entry);
    stage.screen.gap();
    picture(stage, &payload).await
}

async fn delayed(stage: &mut Stage) -> anyhow::Result<()> {
    stage.screen.heading("2  The same, a second later");
    let webhook = json!({ "url": stage.neighbours.url(RELIABLE), "delay": 1 });
    let accepted = accept(stage, "/photo.jpg", webhook).await?;
    history(stage, &accepted.id, "scheduled").await?;
    stage.screen.good("the image is ready; its webhook waits: scheduled");
    let arrival = stage.neighbours.expect(RELIABLE).await?;
    let payload = received(stage, &arrival, &accepted, 1)?;
    success(&payload)?;
    ensure!(arrival.at - accepted.at >= Duration::from_secs(1), "the webhook came early");
    stage.screen.brief_arrival(&arrival, &since(&accepted, &arrival));
    history(stage, &accepted.id, "delivered").await?;
    stage.screen.good("delivered");
    Ok(())
}

async fn unreliable(stage: &mut Stage) -> anyhow::Result<()> {
    stage.screen.heading("3  A receiver that fails twice, then works");
    stage.screen.say("The demo's server tries again after one second; the standard schedule takes days before it gives up.");
    stage.screen.gap();
    let accepted = accept(stage, "/photo.jpg", json!({ "url": stage.neighbours.url(UNRELIABLE) })).await?;
    let mut first_body = None;
    for attempt in 1..=N_FAILURES + 1 {
        let arrival = stage.neighbours.expect(UNRELIABLE).await?;
        success(&received(stage, &arrival, &accepted, attempt)?)?;
        let first_body = first_body.get_or_insert_with(|| arrival.body.clone());
        ensure!(*first_body == arrival.body, "attempt {attempt} sent other bytes than the first");
        let expected = if attempt <= N_FAILURES { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        ensure!(arrival.answer == expected, "the receiver said {} to attempt {attempt}", arrival.answer);
        stage.screen.brief_arrival(&arrival, &format!("attempt {attempt}, {}", since(&accepted, &arrival)));
    }
    stage.screen.good("always the same id and the same bytes");

    let entry = history(stage, &accepted.id, "delivered").await?;
    let attempts = entry["attempts"].as_array().context("the history has no attempts")?;
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt["status"].as_u64()).collect();
    ensure!(statuses == [Some(503), Some(503), Some(200)], "the history has other attempts: {attempts:?}");
    stage.screen.good("delivered; the history shows every attempt:");
    for attempt in attempts {
        let (number, started) = (&attempt["number"], attempt["started"].as_str().unwrap_or_default());
        let (status, took) = (&attempt["status"], &attempt["duration_ms"]);
        stage.screen.say(&format!("  {number}  {started}  {status} after {took} ms"));
    }
    Ok(())
}

async fn broken(stage: &mut Stage) -> anyhow::Result<()> {
    stage.screen.heading("4  A broken image");
    let accepted = accept(stage, "/broken.jpg", json!({ "url": stage.neighbours.url(RELIABLE) })).await?;
    let arrival = stage.neighbours.expect(RELIABLE).await?;
    let payload = received(stage, &arrival, &accepted, 1)?;
    let failed = payload["success"] == false && payload["code"] == 422 && payload["error"] == "image_corrupt";
    ensure!(failed && payload["message"].is_string(), "not the failure of a broken image: {payload}");
    stage.screen.brief_arrival(&arrival, &since(&accepted, &arrival));
    stage.screen.json(&payload);
    stage.screen.gap();
    history(stage, &accepted.id, "delivered").await?;
    stage.screen.good("the failure was delivered like a result, and the server goes on");
    Ok(())
}

/// Sends the request for a picture of the origin, shows it, and expects it to be accepted.
async fn accept(stage: &Stage, image: &str, webhook: Value) -> anyhow::Result<Accepted> {
    let request =
        json!({ "url": stage.neighbours.url(image), "resize": { "width": WIDTH }, "webhook": webhook });
    stage.screen.command(&stage.client.curl("/1.0/fetch", &request));
    let begin = Instant::now();
    let answer = stage.client.post("/1.0/fetch", &request).await?;
    let at = Instant::now();
    let json = answer.json(StatusCode::ACCEPTED)?;
    let id = json["id"].as_str().context("the 202 has no id")?.to_owned();
    ensure!(json["success"] == true && json["code"] == 202, "not the envelope of a 202: {json}");
    let note = format!("after {}, the request is on disk", milliseconds(at - begin));
    stage.screen.answer(answer.status, &note, &String::from_utf8_lossy(&answer.body));
    Ok(Accepted { id, at })
}

/// Verifies a webhook as its receiver would and returns what it says.
fn received(stage: &Stage, arrival: &Arrival, accepted: &Accepted, attempt: u32) -> anyhow::Result<Value> {
    let receipt = receipt::verify(&arrival.headers, &arrival.body, stage.secret.expose())?;
    let expected = Receipt { id: accepted.id.clone(), attempt };
    ensure!(receipt == expected, "expected {expected:?}, got {receipt:?}");
    let payload: Value = serde_json::from_slice(&arrival.body).context("the webhook carries no JSON")?;
    ensure!(payload["id"] == accepted.id.as_str(), "the webhook reports another request: {payload}");
    Ok(payload)
}

fn success(payload: &Value) -> anyhow::Result<()> {
    let output = &payload["output"];
    let resized = payload["success"] == true && payload["code"] == 200 && output["width"] == WIDTH;
    ensure!(
        resized && output["url"].is_string(),
        "not the envelope of a picture {WIDTH} pixels wide: {payload}"
    );
    Ok(())
}

/// The history entry of a request, once it has this status.
async fn history(stage: &Stage, id: &str, status: &str) -> anyhow::Result<Value> {
    let path = format!("/1.0/webhooks/{id}");
    let mut ticks = tokio::time::interval(HISTORY_INTERVAL);
    let mut last = Value::Null;
    let wait = async {
        loop {
            ticks.tick().await;
            last = stage.client.get(&path).await?.json(StatusCode::OK)?["webhook"].take();
            if last["status"] == status {
                return anyhow::Ok(());
            }
        }
    };
    match tokio::time::timeout(HISTORY_PATIENCE, wait).await {
        Ok(found) => found.map(|()| last),
        Err(_elapsed) => anyhow::bail!("the history does not say {status:?}: {last}"),
    }
}

/// Downloads the result, compares it with what the webhook said about it and leaves it for the viewer.
async fn picture(stage: &Stage, payload: &Value) -> anyhow::Result<()> {
    let output = &payload["output"];
    let url = output["url"].as_str().context("the webhook names no result")?;
    let answer = stage.client.get(stage.client.path(url)?).await?;
    ensure!(answer.status == StatusCode::OK, "the result cannot be downloaded: {}", answer.status);
    let sha1: String = Sha1::digest(&answer.body).iter().map(|byte| format!("{byte:02x}")).collect();
    let same = output["sha1"] == sha1.as_str() && output["bytes"] == answer.body.len();
    ensure!(same, "the downloaded file is not the one the webhook speaks of");
    let extension = match answer.headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes) {
        Some(b"image/png") => "png",
        Some(b"image/gif") => "gif",
        Some(b"image/webp") => "webp",
        _ => "jpg",
    };
    let file = stage.pictures.join(format!("resized.{extension}"));
    std::fs::write(&file, &answer.body).context("the result cannot be written")?;
    let (width, height) = (&output["width"], &output["height"]);
    stage.screen.good(&format!("the picture, {width}×{height} pixels, {} bytes:", answer.body.len()));
    stage.screen.fact("  result", url);
    stage.screen.fact("  copy", &file.display().to_string());
    Ok(())
}

fn since(accepted: &Accepted, arrival: &Arrival) -> String {
    format!("{} after the 202", milliseconds(arrival.at.saturating_duration_since(accepted.at)))
}

fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms >= 1000.0 { format!("{:.2} s", ms / 1000.0) } else { format!("{ms:.1} ms") }
}
