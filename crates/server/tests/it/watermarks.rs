//! Watermarks: uploaded, named by requests, removed; and faces, which are found in the same worker.

use serde_json::{Value, json};

use pixaven_imaging::plan::{Format, Output, TargetFormat};
use pixaven_imaging::{Channels, Image};
use pixaven_testkit::multipart;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{respond_body, respond_status};
use pixaven_testkit::wire_client::{WireResponse, send};

use crate::pictures::{documented_jpeg, picture};
use crate::test_app::TestApp;

const PORTRAIT: &[u8] = include_bytes!("../../../imaging/tests/faces/astronaut.jpg");
const HOUR_MS: i64 = 60 * 60 * 1000;

/// A red square as a PNG.
fn red(side: u32) -> Vec<u8> {
    let data = [250, 10, 20].repeat(side as usize * side as usize);
    let image = Image::new(side, side, Channels::Rgb, data);
    let output = Output { format: TargetFormat::Format(Format::Png), ..Output::default() };
    pixaven_imaging::encode(image, Format::Png, &output).expect("our own pixels can be encoded")
}

async fn add(app: &TestApp, name: &str, file: &[u8]) -> WireResponse {
    let body = multipart::file_only(name, file);
    app.call("POST", "/1.0/watermarks", &[("Content-Type", multipart::CONTENT_TYPE)], &body).await
}

async fn added(app: &TestApp, file: &[u8]) -> String {
    let reply = add(app, "logo.png", file).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()["watermark"]["id"].as_str().expect("an id").to_owned()
}

/// Whether the middle of a result is as red as the watermark.
async fn is_red(app: &TestApp, answer: &Value) -> bool {
    let png = app.download(answer["output"]["url"].as_str().expect("a link")).await.body;
    // The mean of the middle pixel, as a PNG of one pixel says it, read back by the same server as GIF colours.
    let spec = json!({"crop": {"width": 1, "height": 1}, "output": {"format": "gif"}});
    let reply = app.upload("a.png", &png, &spec).await.json();
    let gif = app.download(reply["output"]["url"].as_str().expect("a link")).await.body;
    let [r, g, b] = gif[13..16] else { panic!("a palette") };
    r > 200 && g < 60 && b < 60
}

#[tokio::test]
async fn a_watermark_is_uploaded_listed_used_and_removed() {
    let app = TestApp::start().await;
    let reply = add(&app, "logo.png", &red(40)).await;
    let json = reply.json();
    assert_eq!((reply.status, &json["success"], &json["code"]), (200, &json!(true), &json!(200)), "{json}");
    let watermark = json["watermark"].clone();
    let id = watermark["id"].as_str().expect("an id").to_owned();
    assert!(id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_ne!(json["id"], watermark["id"], "the envelope's id is the request's");
    let facts = [&watermark["name"], &watermark["format"], &watermark["width"], &watermark["height"]];
    assert_eq!(facts, [&json!("logo.png"), &json!("PNG"), &json!(40), &json!(40)]);
    assert_eq!(watermark["bytes"], json!(red(40).len()));
    assert_eq!(watermark["created"], "2026-01-10T11:57:04.322Z");

    let shown = app.get(&format!("/1.0/watermarks/{id}")).await.json();
    assert_eq!(shown["watermark"], watermark);
    app.clock.advance(1);
    let other = added(&app, &red(20)).await;
    let list = app.get("/1.0/watermarks").await.json();
    assert_eq!((&list["total"], &list["watermarks"][0]["id"]), (&json!(2), &json!(other)), "newest first");
    let page = app.get("/1.0/watermarks?limit=1&offset=1").await.json();
    assert_eq!((&page["total"], &page["watermarks"]), (&json!(2), &json!([watermark])));
    let wrong = app.get("/1.0/watermarks?limit=0").await;
    assert_eq!(
        (wrong.status, &wrong.json()["message"]),
        (422, &json!("limit must be an integer from 1 to 100, got 0"))
    );

    let spec = json!({"watermark": {"id": id}, "output": {"format": "png"}});
    let reply = app.upload("a.jpg", &documented_jpeg(), &spec).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    assert!(is_red(&app, &reply.json()).await);
    let off = json!({"watermark": {"id": id, "gravity": "top-left"}, "output": {"format": "png"}});
    assert!(!is_red(&app, &app.upload("a.jpg", &documented_jpeg(), &off).await.json()).await);

    let path = format!("/1.0/watermarks/{id}");
    assert_eq!(app.call("DELETE", &path, &[], b"").await.status, 200);
    let (gone, random) = (app.get(&path).await, app.get("/1.0/watermarks/aaaaaaaaaa").await);
    assert_eq!((gone.status, gone.json()["message"].clone()), (404, random.json()["message"].clone()));
    assert_eq!(app.call("DELETE", &path, &[], b"").await.status, 404);
    assert_eq!(app.get("/1.0/watermarks/no").await.status, 404);
    assert_eq!(app.call("PUT", &path, &[], b"").await.status, 405);
    let refused = app.upload("a.jpg", &documented_jpeg(), &spec).await;
    let message = format!("watermark.id {id:?} is no watermark of this account");
    assert_eq!((refused.status, &refused.json()["message"]), (422, &json!(message)));
}

#[tokio::test]
async fn only_pictures_become_watermarks_and_only_so_many() {
    let settings = [("watermarks.account_count", "2"), ("watermarks.account_bytes", "100000")];
    let app = TestApp::start_with(&settings).await;
    let refused = async |file: &[u8]| {
        let reply = add(&app, "logo", file).await;
        (reply.status, reply.json()["error"].as_str().expect("a word").to_owned())
    };
    assert_eq!(refused(b"%PDF-1.7").await, (415, "format_unsupported".to_owned()));
    assert_eq!(refused(b"").await, (415, "format_unsupported".to_owned()));
    let mut broken = red(40);
    broken.truncate(50);
    assert_eq!(refused(&broken).await, (422, "image_corrupt".to_owned()));
    assert_eq!(app.get("/1.0/watermarks").await.json()["total"], 0);
    assert_eq!(files(&app), 0, "what is refused leaves no file");

    let first = added(&app, &red(40)).await;
    added(&app, &red(40)).await;
    let reply = add(&app, "logo", &red(40)).await;
    assert_eq!(reply.status, 422);
    assert!(reply.json()["message"].as_str().is_some_and(|message| message.contains("2 watermarks")));
    assert_eq!(files(&app), 2);
    app.call("DELETE", &format!("/1.0/watermarks/{first}"), &[], b"").await;
    assert_eq!(add(&app, "logo", &picture(900, 700, Format::Png)).await.status, 422, "too many bytes");
    assert_eq!(add(&app, "logo", &red(40)).await.status, 200);
    let anonymous = send(app.address, "GET", "/1.0/watermarks", &[], b"").await;
    assert_eq!(anonymous.status, 401);
}

/// How many files of watermarks there are.
fn files(app: &TestApp) -> usize {
    std::fs::read_dir(app.directory.path().join("data/blobs/watermarks")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn one_behind_a_url_is_fetched_by_the_same_rules() {
    let app = TestApp::start().await;
    let origin = ScriptedReceiver::start(vec![respond_body(&red(40)), respond_status(404)]);
    let call = async |url: String| {
        let spec = json!({"watermark": {"url": url}, "output": {"format": "png"}});
        app.upload("a.jpg", &documented_jpeg(), &spec).await
    };
    let reply = call(format!("http://{}/logo.png", origin.address)).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    assert!(is_red(&app, &reply.json()).await);
    let reply = call(format!("http://{}/logo.png", origin.address)).await.json();
    let message = reply["message"].as_str().expect("a message");
    assert!(reply["error"] == "source_refused" && message.starts_with("watermark.url: "), "{reply}");
    let reply = call("http://10.0.0.1/logo.png".to_owned()).await.json();
    let message = reply["message"].as_str().expect("a message");
    assert!(reply["error"] == "source_unreachable" && message.starts_with("watermark.url: "), "{reply}");
}

#[tokio::test]
async fn what_is_wrong_with_a_watermark_names_it() {
    let app = TestApp::start().await;
    let origin = ScriptedReceiver::start(vec![respond_body(&red(40)[..60])]);
    let spec = json!({"watermark": {"url": format!("http://{}/logo.png", origin.address)}});
    let reply = app.upload("a.jpg", &documented_jpeg(), &spec).await;
    let message = reply.json()["message"].as_str().expect("a message").to_owned();
    assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("image_corrupt")), "{message}");
    assert!(message.starts_with("watermark: the PNG image is corrupt: "), "{message}");
}

#[tokio::test]
async fn an_accepted_request_gets_its_watermark_even_if_it_was_removed_since() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let id = added(&app, &red(40)).await;
    let to = json!({"url": format!("http://{}/", receiver.address)});
    let unknown = json!({"watermark": {"id": "aaaaaaaaaa"}, "webhook": to});
    let refused = app.upload("a.jpg", &documented_jpeg(), &unknown).await;
    assert_eq!(refused.status, 422, "said before anything is promised: {}", refused.json());
    let spec = json!({"watermark": {"id": id}, "webhook": to, "output": {"format": "png"}});
    assert_eq!(app.upload("a.jpg", &documented_jpeg(), &spec).await.status, 202);

    app.clock.advance(1);
    assert_eq!(app.call("DELETE", &format!("/1.0/watermarks/{id}"), &[], b"").await.status, 200);
    app.clock.advance(30 * 24 * HOUR_MS);
    assert_eq!(app.sweep.sweep().await.expect("the sweep works").n_watermarks, 0);
    assert_eq!(app.jobs.step().await.expect("jobs run"), 1);
    assert_eq!(app.dispatcher.step().await.expect("webhooks are sent"), 1);
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("JSON");
    assert_eq!(payload["success"], true, "{payload}");
    assert!(is_red(&app, &payload).await);

    assert_eq!(files(&app), 1);
    assert_eq!(app.sweep.sweep().await.expect("the sweep works").n_watermarks, 1, "nobody needs it any more");
    assert_eq!(files(&app), 0);
    assert_eq!(app.sweep.sweep().await.expect("the sweep works").n_watermarks, 0);
}

#[tokio::test]
async fn the_sweep_takes_files_without_a_row_and_no_others() {
    let app = TestApp::start().await;
    added(&app, &red(40)).await;
    let lost = app.directory.path().join("data/blobs/watermarks/lostlostlo");
    std::fs::write(lost, "stored just before a crash").expect("writable");
    assert_eq!(app.sweep.sweep().await.expect("the sweep works").n_orphans, 0, "it may still get its row");
    app.clock.advance(50 * 365 * 24 * HOUR_MS);
    assert_eq!(app.sweep.sweep().await.expect("the sweep works").n_orphans, 1);
    assert_eq!(files(&app), 1);
}

#[tokio::test]
async fn faces_are_told_of_when_they_were_asked_for() {
    let app = TestApp::start().await;
    let spec = json!({"crop": {"mode": "face", "padding": 0}});
    let reply = app.upload("a.jpg", PORTRAIT, &spec).await.json();
    let faces = reply["input"]["faces"].as_array().expect("a list");
    assert_eq!(faces.len(), 1, "{reply}");
    assert_eq!(
        (&reply["output"]["width"], &reply["output"]["height"]),
        (&faces[0]["width"], &faces[0]["height"])
    );
    assert!(faces[0]["x"].is_u64() && faces[0]["y"].is_u64() && reply["output"].get("faces").is_none());

    let none = app.upload("a.jpg", &documented_jpeg(), &spec).await.json();
    assert_eq!((&none["input"]["faces"], &none["output"]["width"]), (&json!([]), &json!(412)));
    assert_eq!(none["warnings"][0], "no face was found: the middle of the image was taken instead");
    let unasked = app.upload("a.jpg", PORTRAIT, &json!({"resize": {"width": 50}})).await.json();
    assert!(unasked["input"].get("faces").is_none());
    let fit = json!({"resize": {"mode": "fit", "width": 20, "height": 80, "gravity": "face"}});
    assert_eq!(
        app.upload("a.jpg", PORTRAIT, &fit).await.json()["input"]["faces"].as_array().map(Vec::len),
        Some(1)
    );
}
