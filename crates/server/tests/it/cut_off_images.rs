//! Tests of the setting `input.truncated`, in the server and in `pixaven process`: images and watermarks that
//! are cut off are refused or accepted with a warning.

use pixaven_imaging::plan::Format;
use pixaven_testkit::multipart;
use serde_json::{Value, json};

use crate::binary::run;
use crate::test_app::TestApp;
use crate::test_images::{documented_jpeg, test_image};

/// A BMP with 100 rows, of which the last `n_missing` are cut off.
fn cut_bmp(n_missing: usize) -> Vec<u8> {
    let mut file = test_image(100, 100, Format::Bmp);
    file.truncate(file.len() - n_missing * 300);
    file
}

fn text(value: &Value) -> &str {
    value.as_str().expect("the value is a text")
}

#[tokio::test]
async fn a_cut_off_image_is_refused_with_the_error_image_truncated_and_the_name_of_the_setting_for_it() {
    let app = TestApp::start().await;
    let response = app.upload("a.bmp", &cut_bmp(40), &json!({})).await;
    let body = response.json();
    assert_eq!((response.status, &body["error"]), (422, &json!("image_truncated")), "{body}");
    assert_eq!(
        text(&body["message"]),
        "the BMP image is incomplete: the file is cut off: 40 % of the picture is missing; \
         `input.truncated = \"warn\"` in the configuration accepts such images"
    );
}

#[tokio::test]
async fn a_cut_off_image_is_accepted_with_a_warning_if_the_setting_input_truncated_is_warn() {
    let app = TestApp::start_with(&[("input.truncated", "warn")]).await;
    let response = app.upload("a.bmp", &cut_bmp(40), &json!({})).await;
    let body = response.json();
    assert_eq!(response.status, 200, "{body}");
    assert_eq!(body["warnings"], json!(["the file is cut off: 40 % of the picture is missing"]));
}

#[tokio::test]
async fn a_jpeg_file_that_lacks_only_its_end_marker_is_accepted() {
    let app = TestApp::start().await;
    let whole = documented_jpeg();
    let response = app.upload("a.jpg", &whole[..whole.len() - 2], &json!({})).await;
    assert_eq!(response.status, 200, "{}", response.json());
}

#[tokio::test]
async fn the_upload_of_a_cut_off_watermark_file_is_refused() {
    let app = TestApp::start().await;
    let body = multipart::file_only("logo", &cut_bmp(40));
    let headers = [("Content-Type", multipart::CONTENT_TYPE)];
    let response = app.call("POST", "/1.0/watermarks", &headers, &body).await;
    assert_eq!((response.status, &response.json()["error"]), (422, &json!("image_truncated")));
}

#[tokio::test]
async fn the_command_pixaven_process_accepts_cut_off_images_only_if_input_truncated_is_warn() {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    std::fs::write(dir.path().join("cut.bmp"), cut_bmp(40)).expect("the directory is writable");
    let (succeeded, _, error) = run(dir.path(), &["process", "cut.bmp", "--out", "o"], &[]).await;
    assert!(!succeeded && error.contains("40 % of the picture is missing"), "{error}");
    assert!(error.contains("input.truncated"), "{error}");
    let accepting = ["process", "cut.bmp", "--out", "o", "--set", "input.truncated=warn"];
    let (succeeded, out, error) = run(dir.path(), &accepting, &[]).await;
    assert!(succeeded, "{out}{error}");
}
