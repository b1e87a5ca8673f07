//! Tests of the HTTP API: image processing, authentication, errors, account data and health checks.

use std::path::Path;

use pixaven::work::sandbox::jail::MissingWall;
use pixaven::work::sandbox::jail_probe::missing_walls;
use pixaven_imaging::plan::Format;
use pixaven_testkit::wire_client::{send, send_raw};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::test_app::{TestApp, create_key};
use crate::test_images::{documented_jpeg, test_image};

#[tokio::test]
async fn an_upload_returns_image_properties_and_a_working_download_url() {
    let app = TestApp::start().await;
    let response = app.upload("image.jpg", &documented_jpeg(), &json!({"resize": {"width": 300}})).await;
    let json = response.json();
    assert_eq!(response.status, 200, "{json}");
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    let text = String::from_utf8(response.body).expect("JSON is UTF-8");
    assert!(text.starts_with(r#"{"success":true,"code":200,"id":""#), "{text}");
    let (input, output) = (&json["input"], &json["output"]);
    assert_eq!(
        (&input["format"], &input["width"], &input["height"]),
        (&json!("JPEG"), &json!(550), &json!(412))
    );
    assert_eq!((&output["width"], &output["height"]), (&json!(300), &json!(225)));
    assert_eq!(output["interlaced"], true, "JPEG is progressive by default");
    assert_eq!(output["colorspace"], "YCbCr");
    assert_eq!(
        (&output["depth"], &output["frames"], &output["alpha"]),
        (&json!(24), &json!(1), &json!(false))
    );
    assert!(json.get("warnings").is_none());

    let url = output["url"].as_str().expect("the response has a download URL");
    let id = json["id"].as_str().expect("the response has an id");
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
async fn basic_and_bearer_authentication_accept_the_same_api_key() {
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
        let response = send(app.address, "GET", "/1.0/account", &headers, b"").await;
        assert_eq!((response.status, &response.json()["error"]), (401, &json!("unauthorized")));
        assert_eq!(response.header("Www-Authenticate"), Some("Basic realm=\"pixaven\""));
        assert_eq!(response.header("Status"), Some("401 UNAUTHORIZED"));
    }
}

#[tokio::test]
async fn a_client_without_an_api_key_gets_a_401_after_sending_a_body_of_64_kib() {
    let app = TestApp::start().await;
    for path in ["/1.0/upload", "/1.0/fetch", "/1.0/watermarks", "/1.0/webhooks/test", "/1.0/nothing"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}",
            app.address,
            64 << 10
        );
        let response = send_raw(app.address, &head, &vec![0; 64 << 10]).await;
        assert_eq!(response.status, if path == "/1.0/nothing" { 404 } else { 401 }, "{path}");
    }
}

#[tokio::test]
async fn a_request_with_a_revoked_api_key_is_refused() {
    let app = TestApp::start().await;
    let other_key = create_key(&app.ledger, "other").await;
    let id = app
        .ledger
        .keys()
        .await
        .expect("the ledger lists its keys")
        .into_iter()
        .find(|key| key.label == "other")
        .expect("the new key is listed")
        .id;
    assert!(app.ledger.revoke_key(&id).await.expect("the ledger revokes the key"));
    let bearer = format!("Bearer {other_key}");
    assert_eq!(
        send(app.address, "GET", "/1.0/account", &[("Authorization", &bearer)], b"").await.status,
        401
    );
    assert_eq!(app.get("/1.0/account").await.status, 200, "other keys still work");
}

#[tokio::test]
async fn the_account_endpoint_shows_the_usage_and_the_limits_of_the_account() {
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
async fn requests_with_an_unknown_path_or_method_get_an_error_envelope() {
    let app = TestApp::start().await;
    let response = app.get("/1.0/nothing").await;
    assert_eq!((response.status, &response.json()["error"]), (404, &json!("not_found")));
    let response = app.get("/1.0/fetch").await;
    assert_eq!((response.status, &response.json()["error"]), (405, &json!("method_not_allowed")));
    assert_eq!(response.header("Allow"), Some("POST"));
    assert_eq!(app.get(&format!("/1.0/webhooks/{}", Uuid::nil())).await.status, 404);
    assert_eq!(app.get("/1.0/webhooks/no-id").await.status, 404);
    for not_utf8 in ["/1.0/webhooks/%ff", "/dl/aa/bb/cc/dd/0000-0000-0000-000000000000/%ff"] {
        assert_eq!(app.get(not_utf8).await.json()["error"], "not_found", "{not_utf8}");
    }
    assert_eq!(app.get("/dl/aa/bb/cc/dd/0000-0000-0000-000000000000/x.jpg").await.status, 404);
}

#[tokio::test]
async fn an_invalid_request_gets_an_error_that_names_the_invalid_part_of_its_json() {
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
        let response = app.call("POST", "/1.0/fetch", &json_type, body.as_bytes()).await;
        let json = response.json();
        assert_eq!(response.status, status, "{body} {json}");
        assert!(json["message"].as_str().is_some_and(|text| text.contains(part)), "{body} {json}");
    }
    let webhook_and_binary =
        br#"{"url":"http://h/x","webhook":{"url":"http://h"},"response":{"mode":"binary"}}"#;
    let response = app.call("POST", "/1.0/fetch", &json_type, webhook_and_binary).await;
    assert!(
        response.status == 422
            && response.header("X-Pixaven-Meta").is_some_and(|meta| meta.contains("webhook"))
    );
    let response = app.call("POST", "/1.0/upload", &json_type, b"{}").await;
    assert_eq!(response.status, 400, "{}", response.json());
    let without_file = b"--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{}\r\n--b--\r\n";
    let response = app
        .call("POST", "/1.0/upload", &[("Content-Type", "multipart/form-data; boundary=b")], without_file)
        .await;
    assert!(
        response.status == 400 && response.json()["message"].to_string().contains("file"),
        "{}",
        response.json()
    );
    let cut_off = b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nJPG";
    let response = app
        .call("POST", "/1.0/upload", &[("Content-Type", "multipart/form-data; boundary=b")], cut_off)
        .await;
    assert_eq!(response.status, 400, "{}", response.json());
}

#[tokio::test]
async fn a_multipart_body_with_an_overlong_preamble_or_part_head_is_refused() {
    let app = TestApp::start().await;
    let endless_part_head = [b"--b\r\nContent-Disposition: ".as_slice(), &vec![b'x'; 4 << 20]].concat();
    let preamble = vec![b'x'; 4 << 20];
    for body in [endless_part_head, preamble] {
        let response = app
            .call("POST", "/1.0/upload", &[("Content-Type", "multipart/form-data; boundary=b")], &body)
            .await;
        let json = response.json();
        assert_eq!((response.status, &json["error"]), (400, &json!("malformed_request")), "{json}");
        assert!(json["message"].to_string().contains("boundary"), "{json}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_the_responses_is_disconnected_after_the_write_timeout() {
    let settings = [("server.max_connections", "1"), ("server.write_timeout_s", "1")];
    let app = TestApp::start_with(&settings).await;
    let address = app.address;
    let client = tokio::task::spawn_blocking(move || pipeline_without_reading(address));
    client.await.expect("the client thread ends");
    assert_eq!(
        send(app.address, "GET", "/healthz", &[], b"").await.status,
        200,
        "the server accepts a new connection"
    );
}

/// Sends requests without reading the responses, until the server closes the connection.
fn pipeline_without_reading(address: std::net::SocketAddr) {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
    let requests = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
    while stream.write_all(requests.as_bytes()).is_ok() {}
}

#[tokio::test]
async fn an_upload_that_is_too_large_and_an_upload_that_is_not_an_image_get_different_errors() {
    let app = TestApp::start_with(&[("limits.body_bytes", "2000"), ("limits.pixels", "1000")]).await;
    let response = app.upload("a.jpg", &vec![7; 3000], &json!({})).await;
    assert!(
        response.status == 413 && response.json()["message"].to_string().contains("2000"),
        "{}",
        response.json()
    );
    let response = app.upload("a.pdf", b"%PDF-1.7 and so on", &json!({})).await;
    assert_eq!((response.status, &response.json()["error"]), (415, &json!("format_unsupported")));
    let response = app.upload("a.gif", &test_image(50, 50, Format::Gif), &json!({})).await;
    assert!(response.status == 422 || response.status == 413, "{}", response.json());
    let response = app.upload("", b"", &json!({})).await;
    assert_eq!(response.status, 415, "{}", response.json());
}

#[tokio::test]
async fn healthz_and_readyz_respond_with_200() {
    let app = TestApp::start().await;
    assert_eq!(send(app.address, "GET", "/healthz", &[], b"").await.status, 200);
    let ready = send(app.address, "GET", "/readyz", &[], b"").await;
    assert_eq!((ready.status, &ready.json()["workers"]), (200, &json!(1)));
    assert_eq!(ready.json()["checks"], Value::Null);
}

#[tokio::test]
async fn readyz_with_verbose_lists_the_sandbox_restrictions_that_the_kernel_cannot_enforce() {
    let app = TestApp::start().await;
    let checks = send(app.address, "GET", "/readyz?verbose", &[], b"").await.json()["checks"].clone();
    assert_eq!((&checks["ledger"], &checks["image_workers"]["alive"]), (&json!("writable"), &json!(1)));
    let program = Path::new(env!("CARGO_BIN_EXE_pixaven"));
    let missing = missing_walls(program).await.expect("the probe can be started");
    let names: Vec<_> = missing.into_iter().map(MissingWall::name).collect();
    assert_eq!(checks["image_workers"]["missing_restrictions"], json!(names));
}

#[tokio::test]
async fn a_server_serves_the_results_of_an_earlier_server_with_the_same_data_directory() {
    let app = TestApp::start().await;
    let response = app.upload("a.png", &test_image(40, 30, Format::Png), &json!({})).await.json();
    let url = response["output"]["url"].as_str().expect("the response has a download URL").to_owned();
    let directory = app.stop().await;
    let next = TestApp::start_in(directory, &[]).await;
    assert_eq!(next.download(&url).await.status, 200);
}

#[tokio::test]
async fn the_request_object_output_sets_the_format_the_size_limit_and_the_metadata_of_the_result() {
    let app = TestApp::start().await;
    let jpeg = documented_jpeg();
    let response = app.upload("image.jpg", &jpeg, &json!({"output": {"format": "auto"}})).await.json();
    let output = &response["output"];
    let format = output["format"].as_str().expect("the response has a format");
    assert!(["AVIF", "WebP", "JPEG"].contains(&format), "{response}");
    let extension = if format == "JPEG" { "jpg".to_owned() } else { format.to_lowercase() };
    assert_eq!(output["name"], format!("image.{extension}"), "the file extension follows the chosen format");
    assert_eq!(
        app.download(output["url"].as_str().expect("the response has a download URL")).await.status,
        200
    );

    let response = app.upload("image.jpg", &jpeg, &json!({"output": {"max_bytes": 9000}})).await.json();
    assert!(response["output"]["bytes"].as_u64() <= Some(9_000), "{response}");
    let response = app.upload("image.jpg", &jpeg, &json!({"output": {"max_bytes": 900}})).await.json();
    let warning = response["warnings"][0].to_string();
    assert!(warning.contains("output.max_bytes: no attempt had at most 900 bytes"), "{response}");
    let lossless = json!({"output": {"format": "png", "max_bytes": 900}});
    let response = app.upload("image.jpg", &jpeg, &lossless).await;
    assert_eq!((response.status, &response.json()["error"]), (422, &json!("invalid_request")));
    let message = response.json()["message"].to_string();
    assert!(
        message.contains("output.max_bytes: the PNG is written without loss")
            && message.contains("more than 900"),
        "{message}"
    );

    // An APP1 segment of a JPEG with the EXIF tag Copyright.
    let exif_segment =
        b"\xff\xe1\x00\x28Exif\0\0MM\0*\0\0\0\x08\0\x01\x82\x98\0\x02\0\0\0\x06\0\0\0\x1a\0\0\0\0(c) A\0";
    let tagged = [&jpeg[..2], exif_segment, &jpeg[2..]].concat();
    for (metadata, kept) in [("none", false), ("copyright", true), ("all", true)] {
        let response =
            app.upload("image.jpg", &tagged, &json!({"output": {"metadata": metadata}})).await.json();
        let file = app
            .download(response["output"]["url"].as_str().expect("the response has a download URL"))
            .await
            .body;
        assert_eq!(file.windows(5).any(|window| window == b"(c) A"), kept, "{metadata}");
    }
}
