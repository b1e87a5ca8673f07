//! Tests of uploading, using and removing watermarks. One test covers face detection, which runs in the same
//! image worker.

use pixaven_imaging::plan::{Format, Output, TargetFormat};
use pixaven_imaging::{Channels, Image};
use pixaven_testkit::multipart;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{respond_body, respond_status};
use pixaven_testkit::wire_client::{WireResponse, send};
use serde_json::{Value, json};

use crate::test_app::TestApp;
use crate::test_images::{documented_jpeg, test_image};

const PORTRAIT: &[u8] = include_bytes!("../../../imaging/tests/faces/astronaut.jpg");
const HOUR_MS: i64 = 60 * 60 * 1000;

/// Returns a red square as a PNG. `side` is in pixels.
fn red_square(side: u32) -> Vec<u8> {
    let data = [250, 10, 20].repeat(side as usize * side as usize);
    let image = Image::new(side, side, Channels::Rgb, data);
    let output = Output { format: TargetFormat::Format(Format::Png), ..Output::default() };
    pixaven_imaging::encode(image, Format::Png, &output).expect("generated pixels can be encoded")
}

/// Uploads a watermark, and returns the response.
async fn add(app: &TestApp, name: &str, file: &[u8]) -> WireResponse {
    let body = multipart::file_only(name, file);
    app.call("POST", "/1.0/watermarks", &[("Content-Type", multipart::CONTENT_TYPE)], &body).await
}

/// Uploads a watermark, which must succeed. Returns the watermark's id.
async fn add_successfully(app: &TestApp, file: &[u8]) -> String {
    let response = add(app, "logo.png", file).await;
    assert_eq!(response.status, 200, "{}", response.json());
    response.json()["watermark"]["id"].as_str().expect("the response has an id").to_owned()
}

/// Returns whether the central pixel of a result is red like the watermark.
async fn has_red_centre(app: &TestApp, answer: &Value) -> bool {
    let png =
        app.download(answer["output"]["url"].as_str().expect("the response has a download URL")).await.body;
    // To read the colour, the test lets the server crop the result to its central pixel and encode this pixel
    // as a GIF, whose palette contains the colour of the pixel.
    let spec = json!({"crop": {"width": 1, "height": 1}, "output": {"format": "gif"}});
    let response = app.upload("a.png", &png, &spec).await.json();
    let gif =
        app.download(response["output"]["url"].as_str().expect("the response has a download URL")).await.body;
    let [r, g, b] = gif[13..16] else { panic!("the GIF has a global palette") };
    r > 200 && g < 60 && b < 60
}

#[tokio::test]
async fn a_watermark_can_be_uploaded_listed_used_and_removed() {
    let app = TestApp::start().await;
    let response = add(&app, "logo.png", &red_square(40)).await;
    let json = response.json();
    assert_eq!(
        (response.status, &json["success"], &json["code"]),
        (200, &json!(true), &json!(200)),
        "{json}"
    );
    let watermark = json["watermark"].clone();
    let id = watermark["id"].as_str().expect("the response has an id").to_owned();
    assert!(id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_ne!(json["id"], watermark["id"], "the id of the envelope belongs to the request");
    let facts = [&watermark["name"], &watermark["format"], &watermark["width"], &watermark["height"]];
    assert_eq!(facts, [&json!("logo.png"), &json!("PNG"), &json!(40), &json!(40)]);
    assert_eq!(watermark["bytes"], json!(red_square(40).len()));
    assert_eq!(watermark["created"], "2026-01-10T11:57:04.322Z");

    let shown = app.get(&format!("/1.0/watermarks/{id}")).await.json();
    assert_eq!(shown["watermark"], watermark);
    app.clock.advance(1);
    let other = add_successfully(&app, &red_square(20)).await;
    let list = app.get("/1.0/watermarks").await.json();
    assert_eq!((&list["total"], &list["watermarks"][0]["id"]), (&json!(2), &json!(other)), "newest first");
    let page = app.get("/1.0/watermarks?limit=1&offset=1").await.json();
    assert_eq!((&page["total"], &page["watermarks"]), (&json!(2), &json!([watermark])));
    let invalid = app.get("/1.0/watermarks?limit=0").await;
    assert_eq!(
        (invalid.status, &invalid.json()["message"]),
        (422, &json!("limit must be an integer from 1 to 100, got 0"))
    );

    let spec = json!({"watermark": {"id": id}, "output": {"format": "png"}});
    let response = app.upload("a.jpg", &documented_jpeg(), &spec).await;
    assert_eq!(response.status, 200, "{}", response.json());
    assert!(has_red_centre(&app, &response.json()).await);
    let in_corner = json!({"watermark": {"id": id, "gravity": "top-left"}, "output": {"format": "png"}});
    assert!(!has_red_centre(&app, &app.upload("a.jpg", &documented_jpeg(), &in_corner).await.json()).await);

    let path = format!("/1.0/watermarks/{id}");
    assert_eq!(app.call("DELETE", &path, &[], b"").await.status, 200);
    let (removed, unknown) = (app.get(&path).await, app.get("/1.0/watermarks/aaaaaaaaaa").await);
    assert_eq!((removed.status, removed.json()["message"].clone()), (404, unknown.json()["message"].clone()));
    assert_eq!(app.call("DELETE", &path, &[], b"").await.status, 404);
    assert_eq!(app.get("/1.0/watermarks/no").await.status, 404);
    assert_eq!(app.call("PUT", &path, &[], b"").await.status, 405);
    let refused = app.upload("a.jpg", &documented_jpeg(), &spec).await;
    let message = format!("watermark.id {id:?} is no watermark of this account");
    assert_eq!((refused.status, &refused.json()["message"]), (422, &json!(message)));
}

#[tokio::test]
async fn a_watermark_upload_is_refused_if_it_is_no_image_or_exceeds_the_limits_of_the_account() {
    let settings = [("watermarks.account_count", "2"), ("watermarks.account_bytes", "100000")];
    let app = TestApp::start_with(&settings).await;
    let refused = async |file: &[u8]| {
        let response = add(&app, "logo", file).await;
        (
            response.status,
            response.json()["error"].as_str().expect("the response has an error word").to_owned(),
        )
    };
    assert_eq!(refused(b"%PDF-1.7").await, (415, "format_unsupported".to_owned()));
    assert_eq!(refused(b"").await, (415, "format_unsupported".to_owned()));
    let mut broken = red_square(40);
    broken.truncate(50);
    assert_eq!(refused(&broken).await, (422, "image_corrupt".to_owned()));
    assert_eq!(app.get("/1.0/watermarks").await.json()["total"], 0);
    assert_eq!(n_files(&app), 0, "a refused watermark leaves no file");

    let first = add_successfully(&app, &red_square(40)).await;
    add_successfully(&app, &red_square(40)).await;
    let response = add(&app, "logo", &red_square(40)).await;
    assert_eq!(response.status, 422);
    assert!(response.json()["message"].as_str().is_some_and(|message| message.contains("2 watermarks")));
    assert_eq!(n_files(&app), 2);
    app.call("DELETE", &format!("/1.0/watermarks/{first}"), &[], b"").await;
    assert_eq!(add(&app, "logo", &test_image(900, 700, Format::Png)).await.status, 422, "too many bytes");
    assert_eq!(add(&app, "logo", &red_square(40)).await.status, 200);
    let anonymous = send(app.address, "GET", "/1.0/watermarks", &[], b"").await;
    assert_eq!(anonymous.status, 401);
}

/// Returns the number of watermark files on disk.
fn n_files(app: &TestApp) -> usize {
    std::fs::read_dir(app.directory.path().join("data/blobs/watermarks")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_watermark_is_fetched_from_its_url_only_if_the_address_policy_allows_it() {
    let app = TestApp::start().await;
    let origin = ScriptedReceiver::start(vec![respond_body(&red_square(40)), respond_status(404)]);
    let call = async |url: String| {
        let spec = json!({"watermark": {"url": url}, "output": {"format": "png"}});
        app.upload("a.jpg", &documented_jpeg(), &spec).await
    };
    let response = call(format!("http://{}/logo.png", origin.address)).await;
    assert_eq!(response.status, 200, "{}", response.json());
    assert!(has_red_centre(&app, &response.json()).await);
    let response = call(format!("http://{}/logo.png", origin.address)).await.json();
    let message = response["message"].as_str().expect("the error has a message");
    assert!(response["error"] == "source_refused" && message.starts_with("watermark.url: "), "{response}");
    let response = call("http://10.0.0.1/logo.png".to_owned()).await.json();
    let message = response["message"].as_str().expect("the error has a message");
    assert!(
        response["error"] == "source_unreachable" && message.starts_with("watermark.url: "),
        "{response}"
    );
}

#[tokio::test]
async fn the_error_for_an_invalid_watermark_image_starts_with_the_word_watermark() {
    let app = TestApp::start().await;
    let origin = ScriptedReceiver::start(vec![respond_body(&red_square(40)[..60])]);
    let spec = json!({"watermark": {"url": format!("http://{}/logo.png", origin.address)}});
    let response = app.upload("a.jpg", &documented_jpeg(), &spec).await;
    let message = response.json()["message"].as_str().expect("the error has a message").to_owned();
    assert_eq!((response.status, &response.json()["error"]), (422, &json!("image_corrupt")), "{message}");
    assert!(message.starts_with("watermark: the PNG image is corrupt: "), "{message}");
}

#[tokio::test]
async fn a_watermark_removed_after_a_request_was_accepted_is_still_used_for_this_request() {
    let app = TestApp::start().await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let id = add_successfully(&app, &red_square(40)).await;
    let webhook = json!({"url": format!("http://{}/", receiver.address)});
    let unknown = json!({"watermark": {"id": "aaaaaaaaaa"}, "webhook": webhook});
    let refused = app.upload("a.jpg", &documented_jpeg(), &unknown).await;
    assert_eq!(refused.status, 422, "the request is refused before it is accepted: {}", refused.json());
    let spec = json!({"watermark": {"id": id}, "webhook": webhook, "output": {"format": "png"}});
    assert_eq!(app.upload("a.jpg", &documented_jpeg(), &spec).await.status, 202);

    app.clock.advance(1);
    assert_eq!(app.call("DELETE", &format!("/1.0/watermarks/{id}"), &[], b"").await.status, 200);
    app.clock.advance(30 * 24 * HOUR_MS);
    assert_eq!(app.sweep.sweep().await.expect("the sweep succeeds").n_watermarks, 0);
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    let payload: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("the text is JSON");
    assert_eq!(payload["success"], true, "{payload}");
    assert!(has_red_centre(&app, &payload).await);

    assert_eq!(n_files(&app), 1);
    assert_eq!(
        app.sweep.sweep().await.expect("the sweep succeeds").n_watermarks,
        1,
        "no accepted request uses the watermark any more"
    );
    assert_eq!(n_files(&app), 0);
    assert_eq!(app.sweep.sweep().await.expect("the sweep succeeds").n_watermarks, 0);
}

#[tokio::test]
async fn the_sweep_removes_only_watermark_files_without_a_row_in_the_ledger() {
    let app = TestApp::start().await;
    add_successfully(&app, &red_square(40)).await;
    let without_row = app.directory.path().join("data/blobs/watermarks/lostlostlo");
    std::fs::write(without_row, "stored just before a crash").expect("the directory is writable");
    assert_eq!(
        app.sweep.sweep().await.expect("the sweep succeeds").n_orphans,
        0,
        "an upload in progress could still insert the row"
    );
    app.clock.advance(50 * 365 * 24 * HOUR_MS);
    assert_eq!(app.sweep.sweep().await.expect("the sweep succeeds").n_orphans, 1);
    assert_eq!(n_files(&app), 1);
}

#[tokio::test]
async fn the_response_lists_the_detected_faces_only_if_the_request_uses_face_detection() {
    let app = TestApp::start().await;
    let spec = json!({"crop": {"mode": "face", "padding": 0}});
    let response = app.upload("a.jpg", PORTRAIT, &spec).await.json();
    let faces = response["input"]["faces"].as_array().expect("the JSON has the list");
    assert_eq!(faces.len(), 1, "{response}");
    assert_eq!(
        (&response["output"]["width"], &response["output"]["height"]),
        (&faces[0]["width"], &faces[0]["height"])
    );
    assert!(faces[0]["x"].is_u64() && faces[0]["y"].is_u64() && response["output"].get("faces").is_none());

    let without_faces = app.upload("a.jpg", &documented_jpeg(), &spec).await.json();
    assert_eq!(
        (&without_faces["input"]["faces"], &without_faces["output"]["width"]),
        (&json!([]), &json!(412))
    );
    assert_eq!(without_faces["warnings"][0], "no face was found: the middle of the image was taken instead");
    let without_face_options = app.upload("a.jpg", PORTRAIT, &json!({"resize": {"width": 50}})).await.json();
    assert!(without_face_options["input"].get("faces").is_none());
    let fit_to_face = json!({"resize": {"mode": "fit", "width": 20, "height": 80, "gravity": "face"}});
    assert_eq!(
        app.upload("a.jpg", PORTRAIT, &fit_to_face).await.json()["input"]["faces"].as_array().map(Vec::len),
        Some(1)
    );
}
