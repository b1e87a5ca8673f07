//! The API through its sockets: answers, errors, downloads, accounts, health.

use serde_json::json;
use uuid::Uuid;

use pixaven_imaging::plan::Format;
use pixaven_testkit::wire_client::{send, send_raw};

use crate::pictures::{documented_jpeg, picture};
use crate::test_app::{TestApp, create_key};

#[tokio::test]
async fn an_upload_is_answered_with_facts_and_a_link_that_works() {
    let app = TestApp::start().await;
    let reply = app.upload("image.jpg", &documented_jpeg(), &json!({"resize": {"width": 300}})).await;
    let json = reply.json();
    assert_eq!(reply.status, 200, "{json}");
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let text = String::from_utf8(reply.body).expect("JSON is UTF-8");
    assert!(text.starts_with(r#"{"success":true,"code":200,"id":""#), "{text}");
    let (input, output) = (&json["input"], &json["output"]);
    assert_eq!(
        (&input["format"], &input["width"], &input["height"]),
        (&json!("JPEG"), &json!(550), &json!(412))
    );
    assert_eq!((&output["width"], &output["height"]), (&json!(300), &json!(225)));
    assert_eq!(output["interlaced"], true, "JPEG is progressive unless told otherwise");
    assert_eq!(output["colorspace"], "YCbCr");
    assert_eq!(
        (&output["depth"], &output["frames"], &output["alpha"]),
        (&json!(24), &json!(1), &json!(false))
    );
    assert!(json.get("warnings").is_none());

    let url = output["url"].as_str().expect("a link");
    let id = json["id"].as_str().expect("an id");
    let base = format!(
        "http://{}/dl/{}/{}/{}/{}/{}/",
        app.address,
        &id[0..2],
        &id[2..4],
        &id[4..6],
        &id[6..8],
        &id[9..]
    );
    assert_eq!(url, format!("{base}image.jpg"));
    let file = app.download(url).await;
    assert_eq!((file.status, json!(file.body.len())), (200, output["bytes"].clone()));
    assert_eq!(file.header("Etag"), Some(format!("{}", output["sha1"]).as_str()));
    assert_eq!(file.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(file.header("Content-Type"), Some("image/jpeg"));
    assert_eq!(file.header("Cache-Control"), Some("public, max-age=86400, immutable"));
}

#[tokio::test]
async fn a_download_answers_ranges_and_conditions() {
    let app = TestApp::start().await;
    // Large enough for a file, and small enough for none.
    for image in [picture(200, 150, Format::Png), picture(40, 30, Format::Png)] {
        ranges_and_conditions(&app, &image).await;
    }
}

async fn ranges_and_conditions(app: &TestApp, image: &[u8]) {
    let reply = app.upload("a.png", image, &json!({"output": {"format": "bmp"}})).await.json();
    let url = reply["output"]["url"].as_str().expect("a link").to_owned();
    let path = &url[url.find("/dl/").expect("a result's path")..];
    let whole = app.download(&url).await.body;
    let part = send(app.address, "GET", path, &[("Range", "bytes=10-19")], b"").await;
    assert_eq!((part.status, part.body.as_slice()), (206, &whole[10..20]));
    assert_eq!(part.header("Content-Range"), Some(format!("bytes 10-19/{}", whole.len()).as_str()));
    let beyond = send(app.address, "GET", path, &[("Range", "bytes=99999999-")], b"").await;
    assert_eq!(beyond.status, 416);
    let etag = format!("\"{}\"", reply["output"]["sha1"].as_str().expect("a hash"));
    let unchanged = send(app.address, "GET", path, &[("If-None-Match", &etag)], b"").await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let stale = [("Range", "bytes=0-1"), ("If-Range", "\"another\"")];
    assert_eq!(send(app.address, "GET", path, &stale, b"").await.status, 200);
    let head = send(app.address, "HEAD", path, &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("Content-Length"), Some(whole.len().to_string().as_str()));
}

#[tokio::test]
async fn a_result_is_gone_after_its_time() {
    let app = TestApp::start().await;
    let mut urls = vec![];
    for image in [picture(200, 150, Format::Png), picture(40, 30, Format::Png)] {
        let reply = app.upload("a.png", &image, &json!({"output": {"format": "bmp"}})).await.json();
        urls.push(reply["output"]["url"].as_str().expect("a link").to_owned());
    }
    let results = app.directory.path().join("data/blobs/results");
    assert_eq!(walk(&results).len(), 1, "only the large one is a file");
    app.clock.advance(24 * 60 * 60 * 1000 + 1);
    for url in &urls {
        assert_eq!(app.download(url).await.status, 404);
    }
    let swept = app.sweep.sweep().await.expect("the sweep works");
    assert_eq!(swept.n_results, 2);
    assert_eq!(walk(&results), Vec::<std::path::PathBuf>::new());
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a readable directory").path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn basic_and_bearer_open_the_same_door_and_nothing_else_does() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.key);
    assert_eq!(
        send(app.address, "GET", "/1.0/account", &[("Authorization", &bearer)], b"").await.status,
        200
    );
    assert_eq!(app.get("/1.0/account").await.status, 200);
    let unknown = format!("Bearer pxv_{}", "0".repeat(32));
    for headers in
        [vec![], vec![("Authorization", "Bearer nonsense")], vec![("Authorization", unknown.as_str())]]
    {
        let reply = send(app.address, "GET", "/1.0/account", &headers, b"").await;
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("unauthorized")));
        assert_eq!(reply.header("Www-Authenticate"), Some("Basic realm=\"pixaven\""));
        assert_eq!(reply.header("Status"), Some("401 UNAUTHORIZED"));
    }
}

#[tokio::test]
async fn a_client_with_a_wrong_key_reads_so_after_sending_a_large_body() {
    let app = TestApp::start().await;
    let head = format!(
        "POST /1.0/upload HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}",
        app.address,
        20 << 20
    );
    let reply = send_raw(app.address, &head, &vec![0; 20 << 20]).await;
    assert_eq!(reply.status, 401);
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let app = TestApp::start().await;
    let other = create_key(&app.ledger, "other").await;
    let id =
        app.ledger.keys().await.expect("keys").into_iter().find(|key| key.label == "other").expect("made").id;
    assert!(app.ledger.revoke_key(&id).await.expect("revocation works"));
    let bearer = format!("Bearer {other}");
    assert_eq!(
        send(app.address, "GET", "/1.0/account", &[("Authorization", &bearer)], b"").await.status,
        401
    );
    assert_eq!(app.get("/1.0/account").await.status, 200, "other keys stay");
}

#[tokio::test]
async fn the_account_shows_usage_and_limits() {
    let app = TestApp::start().await;
    let done = app.upload("a.jpg", &documented_jpeg(), &json!({"resize": {"width": 50}})).await.json();
    let account = app.get("/1.0/account").await.json()["account"].clone();
    assert_eq!(account["name"], "default");
    assert_eq!(account["usage"]["requests"], 1);
    assert_eq!(account["usage"]["input_bytes"], done["input"]["bytes"]);
    assert_eq!(account["usage"]["output_bytes"], done["output"]["bytes"]);
    assert_eq!(account["limits"]["pixels"], 100_000_000);
    assert!(account["created"].as_str().is_some_and(|at| at.starts_with("2026-01-10T11:57:04.322")));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_the_envelope() {
    let app = TestApp::start().await;
    let reply = app.get("/1.0/nothing").await;
    assert_eq!((reply.status, &reply.json()["error"]), (404, &json!("not_found")));
    let reply = app.get("/1.0/fetch").await;
    assert_eq!((reply.status, &reply.json()["error"]), (405, &json!("method_not_allowed")));
    assert_eq!(reply.header("Allow"), Some("POST"));
    assert_eq!(app.get(&format!("/1.0/webhooks/{}", Uuid::nil())).await.status, 404);
    assert_eq!(app.get("/1.0/webhooks/no-id").await.status, 404);
    for no_text in ["/1.0/webhooks/%ff", "/dl/aa/bb/cc/dd/0000-0000-0000-000000000000/%ff"] {
        assert_eq!(app.get(no_text).await.json()["error"], "not_found", "{no_text}");
    }
    assert_eq!(app.get("/dl/aa/bb/cc/dd/0000-0000-0000-000000000000/x.jpg").await.status, 404);
}

#[tokio::test]
async fn bad_requests_say_what_is_wrong() {
    let app = TestApp::start().await;
    let json_type = [("Content-Type", "application/json")];
    for (body, status, part) in [
        ("{", 400, "JSON"),
        ("[1]", 400, "object"),
        ("{}", 422, "url"),
        (r#"{"url":"ftp://h/x"}"#, 422, "url"),
        (
            r#"{"url":"http://h/x","resize":{"width":-5}}"#,
            422,
            "resize.width must be an integer from 1 to 20000, got -5",
        ),
    ] {
        let reply = app.call("POST", "/1.0/fetch", &json_type, body.as_bytes()).await;
        let json = reply.json();
        assert_eq!(reply.status, status, "{body} {json}");
        assert!(json["message"].as_str().is_some_and(|text| text.contains(part)), "{body} {json}");
    }
    let both = br#"{"url":"http://h/x","webhook":{"url":"http://h"},"response":{"mode":"binary"}}"#;
    let reply = app.call("POST", "/1.0/fetch", &json_type, both).await;
    assert!(
        reply.status == 422 && reply.header("X-Pixaven-Meta").is_some_and(|meta| meta.contains("webhook"))
    );
    let reply = app.call("POST", "/1.0/upload", &json_type, b"{}").await;
    assert_eq!(reply.status, 400, "{}", reply.json());
    let no_file = b"--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{}\r\n--b--\r\n";
    let reply = app
        .call("POST", "/1.0/upload", &[("Content-Type", "multipart/form-data; boundary=b")], no_file)
        .await;
    assert!(reply.status == 400 && reply.json()["message"].to_string().contains("file"), "{}", reply.json());
    let cut_off = b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nJPG";
    let reply = app
        .call("POST", "/1.0/upload", &[("Content-Type", "multipart/form-data; boundary=b")], cut_off)
        .await;
    assert_eq!(reply.status, 400, "{}", reply.json());
}

#[tokio::test]
async fn a_body_without_any_boundary_is_refused_before_it_fills_the_memory() {
    let app = TestApp::start().await;
    let endless_head = [b"--b\r\nContent-Disposition: ".as_slice(), &vec![b'x'; 4 << 20]].concat();
    let preamble = vec![b'x'; 4 << 20];
    for body in [endless_head, preamble] {
        let reply = app
            .call("POST", "/1.0/upload", &[("Content-Type", "multipart/form-data; boundary=b")], &body)
            .await;
        let json = reply.json();
        assert_eq!((reply.status, &json["error"]), (400, &json!("malformed_request")), "{json}");
        assert!(json["message"].to_string().contains("boundary"), "{json}");
    }
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_connection() {
    let settings = [("server.max_connections", "1"), ("server.write_timeout_s", "1")];
    let app = TestApp::start_with(&settings).await;
    let address = app.address;
    let greedy = tokio::task::spawn_blocking(move || pipeline_without_reading(address));
    greedy.await.expect("the connection is closed in the end");
    assert_eq!(send(app.address, "GET", "/healthz", &[], b"").await.status, 200, "its place is free again");
}

/// Sends requests and reads no answer, until the server has had enough.
fn pipeline_without_reading(address: std::net::SocketAddr) {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
    let requests = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
    while stream.write_all(requests.as_bytes()).is_ok() {}
}

#[tokio::test]
async fn what_is_too_large_or_no_image_is_refused_by_name() {
    let app = TestApp::start_with(&[("limits.body_bytes", "2000"), ("limits.pixels", "1000")]).await;
    let reply = app.upload("a.jpg", &vec![7; 3000], &json!({})).await;
    assert!(reply.status == 413 && reply.json()["message"].to_string().contains("2000"), "{}", reply.json());
    let reply = app.upload("a.pdf", b"%PDF-1.7 and so on", &json!({})).await;
    assert_eq!((reply.status, &reply.json()["error"]), (415, &json!("format_unsupported")));
    let reply = app.upload("a.gif", &picture(50, 50, Format::Gif), &json!({})).await;
    assert!(reply.status == 422 || reply.status == 413, "{}", reply.json());
    let reply = app.upload("", b"", &json!({})).await;
    assert_eq!(reply.status, 415, "{}", reply.json());
}

#[tokio::test]
async fn health_and_readiness_are_told() {
    let app = TestApp::start().await;
    assert_eq!(send(app.address, "GET", "/healthz", &[], b"").await.status, 200);
    let ready = send(app.address, "GET", "/readyz", &[], b"").await;
    assert_eq!((ready.status, &ready.json()["workers"]), (200, &json!(1)));
}

#[tokio::test]
async fn a_stopped_server_leaves_its_directory_to_the_next() {
    let app = TestApp::start().await;
    let reply = app.upload("a.png", &picture(40, 30, Format::Png), &json!({})).await.json();
    let url = reply["output"]["url"].as_str().expect("a link").to_owned();
    let directory = app.stop().await;
    let next = TestApp::start_in(directory, &[]).await;
    assert_eq!(next.download(&url).await.status, 200);
}

#[tokio::test]
async fn the_output_hash_decides_on_format_size_and_metadata() {
    let app = TestApp::start().await;
    let jpeg = documented_jpeg();
    let reply = app.upload("image.jpg", &jpeg, &json!({"output": {"format": "auto"}})).await.json();
    let output = &reply["output"];
    let format = output["format"].as_str().expect("a format");
    assert!(["AVIF", "WebP", "JPEG"].contains(&format), "{reply}");
    let extension = if format == "JPEG" { "jpg".to_owned() } else { format.to_lowercase() };
    assert_eq!(output["name"], format!("image.{extension}"), "the name follows the format that was found");
    assert_eq!(app.download(output["url"].as_str().expect("a link")).await.status, 200);

    let reply = app.upload("image.jpg", &jpeg, &json!({"output": {"max_bytes": 9000}})).await.json();
    assert!(reply["output"]["bytes"].as_u64() <= Some(9_000), "{reply}");
    let reply = app.upload("image.jpg", &jpeg, &json!({"output": {"max_bytes": 900}})).await;
    assert_eq!((reply.status, &reply.json()["error"]), (422, &json!("invalid_request")));
    let message = reply.json()["message"].to_string();
    assert!(
        message.contains("output.max_bytes: the smallest JPEG") && message.contains("more than 900"),
        "{message}"
    );

    let text =
        b"\xff\xe1\x00\x28Exif\0\0MM\0*\0\0\0\x08\0\x01\x82\x98\0\x02\0\0\0\x06\0\0\0\x1a\0\0\0\0(c) A\0";
    let tagged = [&jpeg[..2], text, &jpeg[2..]].concat();
    for (metadata, kept) in [("none", false), ("copyright", true), ("all", true)] {
        let reply = app.upload("image.jpg", &tagged, &json!({"output": {"metadata": metadata}})).await.json();
        let file = app.download(reply["output"]["url"].as_str().expect("a link")).await.body;
        assert_eq!(file.windows(5).any(|window| window == b"(c) A"), kept, "{metadata}");
    }
}
