//! Tests the download of results: range requests, conditional requests and expiry.

use std::path::{Path, PathBuf};

use pixaven_imaging::plan::Format;
use pixaven_testkit::wire_client::send;
use serde_json::json;

use crate::test_app::TestApp;
use crate::test_images::test_image;

#[tokio::test]
async fn a_download_supports_range_and_conditional_requests() {
    let app = TestApp::start().await;
    // The result of the first image is stored as a file, and the result of the second image is stored in the
    // ledger.
    for image in [test_image(200, 150, Format::Png), test_image(40, 30, Format::Png)] {
        check_ranges_and_conditions(&app, &image).await;
    }
}

async fn check_ranges_and_conditions(app: &TestApp, image: &[u8]) {
    let response = app.upload("a.png", image, &json!({"output": {"format": "bmp"}})).await.json();
    let url = response["output"]["url"].as_str().expect("the response has a download URL").to_owned();
    let path = &url[url.find("/dl/").expect("the URL has the path of a result")..];
    let whole = app.download(&url).await.body;
    let range = send(app.address, "GET", path, &[("Range", "bytes=10-19")], b"").await;
    assert_eq!((range.status, range.body.as_slice()), (206, &whole[10..20]));
    assert_eq!(range.header("Content-Range"), Some(format!("bytes 10-19/{}", whole.len()).as_str()));
    let beyond_end = send(app.address, "GET", path, &[("Range", "bytes=99999999-")], b"").await;
    assert_eq!(beyond_end.status, 416);
    let etag = format!("\"{}\"", response["output"]["sha1"].as_str().expect("the response has a SHA-1"));
    let unchanged = send(app.address, "GET", path, &[("If-None-Match", &etag)], b"").await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let other_etag = [("Range", "bytes=0-1"), ("If-Range", "\"another\"")];
    assert_eq!(send(app.address, "GET", path, &other_etag, b"").await.status, 200);
    let head = send(app.address, "HEAD", path, &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("Content-Length"), Some(whole.len().to_string().as_str()));
}

#[tokio::test]
async fn the_download_of_an_expired_result_gets_a_404_and_the_sweep_removes_the_result_file() {
    let app = TestApp::start().await;
    let mut urls = vec![];
    for image in [test_image(200, 150, Format::Png), test_image(40, 30, Format::Png)] {
        let response = app.upload("a.png", &image, &json!({"output": {"format": "bmp"}})).await.json();
        urls.push(response["output"]["url"].as_str().expect("the response has a download URL").to_owned());
    }
    let results = app.directory.path().join("data/blobs/results");
    assert_eq!(files_below(&results).len(), 1, "only the large result is a file");
    app.clock.advance(24 * 60 * 60 * 1000 + 1);
    for url in &urls {
        assert_eq!(app.download(url).await.status, 404);
    }
    let swept = app.sweep.sweep().await.expect("the sweep succeeds");
    assert_eq!(swept.n_results, 2);
    assert_eq!(files_below(&results), Vec::<PathBuf>::new());
}

/// Returns all files below a directory. The list is empty if the directory does not exist.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("the directory entry is readable").path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn with_a_cdn_links_to_results_begin_with_its_base_url_unless_the_request_forbids_it() {
    let app = TestApp::start_with(&[("cdn.base_url", "https://cdn.example.com/images/")]).await;
    let image = test_image(200, 150, Format::Png);
    let request = json!({ "output": { "format": "bmp" } });
    let answer = app.upload("caf\u{e9} 1.png", &image, &request).await.json();
    let (id, url) = (answer["id"].as_str().expect("an id"), answer["output"]["url"].as_str().expect("a URL"));
    assert_eq!(url, format!("https://cdn.example.com/images/{id}/caf%C3%A9%201.bmp"));
    let path = format!("/cdn/{id}/caf%C3%A9%201.bmp");
    let whole = send(app.address, "GET", &path, &[], b"").await;
    assert_eq!((whole.status, json!(whole.body.len())), (200, answer["output"]["bytes"].clone()));
    assert_eq!(whole.header("Cache-Control"), Some("public, max-age=86400, immutable"));
    let etag = whole.header("Etag").expect("an entity tag").to_owned();
    assert_eq!(send(app.address, "GET", &path, &[("If-None-Match", &etag)], b"").await.status, 304);
    let part = send(app.address, "GET", &path, &[("Range", "bytes=10-19")], b"").await;
    assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[10..20]));
    for path in [format!("/cdn/{id}/other.bmp"), "/cdn/x/a.bmp".to_owned()] {
        assert_eq!(send(app.address, "GET", &path, &[], b"").await.status, 404);
    }

    let receiver =
        pixaven_testkit::receiver::ScriptedReceiver::start(vec![pixaven_testkit::script::respond_status(
            204,
        )]);
    let webhook = json!({ "webhook": { "url": receiver.url("/").as_str() } });
    assert_eq!(app.upload("a.png", &image, &webhook).await.status, 202);
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    assert_eq!(app.dispatcher.step().await.expect("the ledger responds"), 1);
    let payload: serde_json::Value =
        serde_json::from_slice(&receiver.requests()[0].body).expect("the payload is JSON");
    let url = payload["output"]["url"].as_str().expect("a URL");
    assert!(url.starts_with("https://cdn.example.com/images/") && url.ends_with("/a.png"), "{url}");

    let own = app.upload("a.png", &image, &json!({ "cdn": { "push": false } })).await.json();
    let url = own["output"]["url"].as_str().expect("a URL");
    assert!(url.contains("/dl/"), "{url}");
    assert_eq!(app.download(url).await.status, 200);

    let without = TestApp::start().await;
    let answer = without.upload("a.png", &image, &json!({ "cdn": { "push": true } })).await.json();
    assert!(answer["output"]["url"].as_str().is_some_and(|url| url.contains("/dl/")), "{answer}");
    let path = format!("/cdn/{}/a.png", answer["id"].as_str().expect("an id"));
    assert_eq!(send(without.address, "GET", &path, &[], b"").await.status, 404);
}
