//! Tests the command line of the real binary: the first start, commands beside a running server, the
//! configuration, signals and TLS.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pixaven_imaging::plan::Format;
use pixaven_testkit::multipart;
use pixaven_testkit::ports::unused_address;
use pixaven_testkit::process::{Signal, send_signal};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use pixaven_testkit::tls::write_self_signed;
use pixaven_testkit::wire_client::send;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{API_HOST, RunningBinary, run};
use crate::test_images::test_image;

fn temporary_directory() -> TempDir {
    TempDir::new().expect("a temporary directory can be created")
}

/// Sends a request with an API key. Returns the HTTP status of the response.
async fn status_with(server: &RunningBinary, key: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    send(server.address(), "GET", "/1.0/account", &[("Authorization", &bearer)], b"").await.status
}

#[tokio::test]
async fn the_server_prints_an_api_key_only_at_its_first_start() {
    let directory = temporary_directory();
    let mut first = RunningBinary::serve(directory.path(), &["--set", "server.drain_notice_s=0"]).await;
    assert!(first.key.starts_with("pxv_") && first.secret.starts_with("whsec_"));
    assert_eq!(status_with(&first, &first.key).await, 200);
    send_signal(first.process.id().expect("the server runs"), Signal::TERM)
        .expect("the server can be signalled");
    assert!(
        first.process.wait().await.is_ok_and(|status| status.success()),
        "a server that is stopped by SIGTERM exits with success"
    );
    let second = RunningBinary::serve(directory.path(), &[]).await;
    assert!(second.key.is_empty(), "a later start prints no key");
    assert_eq!(status_with(&second, &first.key).await, 200);
}

/// All files and directories below `directory` that the group or other users may access.
fn accessible_to_others(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the directory can be read") {
        let entry = entry.expect("the directory can be read");
        let metadata = entry.metadata().expect("the entry exists");
        if metadata.is_dir() {
            found.extend(accessible_to_others(&entry.path()));
        } else if metadata.permissions().mode() & 0o077 != 0 {
            found.push(entry.path());
        }
    }
    found
}

#[tokio::test]
async fn the_server_makes_its_data_directory_and_files_accessible_only_to_their_owner() {
    let directory = temporary_directory();
    let data_dir = directory.path().join("pixaven-data");
    std::fs::create_dir(&data_dir).expect("the directory can be created");
    std::fs::set_permissions(&data_dir, Permissions::from_mode(0o755)).expect("the mode can be set");
    let server = RunningBinary::serve(directory.path(), &[]).await;
    let mode = std::fs::metadata(&data_dir).expect("the directory exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // The result is larger than the contents that are stored in the database, so it becomes a file.
    let body = multipart::upload("a.png", &test_image(300, 300, Format::Png), "{}");
    let bearer = format!("Bearer {}", server.key);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", multipart::CONTENT_TYPE)];
    assert_eq!(send(server.address(), "POST", "/1.0/upload", &headers, &body).await.status, 200);
    let results = data_dir.join("blobs/results");
    assert!(results.is_dir(), "the result is a file");
    assert_eq!(accessible_to_others(&data_dir), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn sigterm_stops_the_server_cleanly_even_just_after_it_has_begun_to_listen() {
    let directory = temporary_directory();
    let mut server = RunningBinary::serve(directory.path(), &["--set", "server.drain_notice_s=0"]).await;
    send_signal(server.process.id().expect("the server runs"), Signal::TERM)
        .expect("the server can be signalled");
    assert!(server.process.wait().await.is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn after_sigterm_the_server_is_not_ready_but_serves_until_the_end_of_the_notice() {
    let directory = temporary_directory();
    let mut server = RunningBinary::serve(directory.path(), &["--set", "server.drain_notice_s=600"]).await;
    let process = server.process.id().expect("the server runs");
    send_signal(process, Signal::TERM).expect("the server can be signalled");
    while send(server.address(), "GET", "/readyz", &[], b"").await.status != 503 {}
    assert_eq!(status_with(&server, &server.key).await, 200, "new connections are still served");
    send_signal(process, Signal::INT).expect("the server can be signalled");
    assert!(
        server.process.wait().await.is_ok_and(|status| !status.success()),
        "the second signal ends at once"
    );
}

#[tokio::test]
async fn the_command_line_creates_lists_and_revokes_api_keys_while_the_server_runs() {
    let directory = temporary_directory();
    let server = RunningBinary::serve(directory.path(), &[]).await;
    let (_, key, _) = run(directory.path(), &["keys", "create", "--label", "shop"], &[]).await;
    let key = key.trim();
    assert_eq!(status_with(&server, key).await, 200);
    let (_, list, _) = run(directory.path(), &["keys", "list"], &[]).await;
    let line = list.lines().find(|line| line.ends_with("shop")).expect("the new key is listed");
    assert!(!list.contains(key), "the list does not show keys");
    let id = line.split_whitespace().next().expect("the response has an id");
    let (revoked, _, _) = run(directory.path(), &["keys", "revoke", id], &[]).await;
    assert!(revoked);
    let (revoked_again, _, error) = run(directory.path(), &["keys", "revoke", id], &[]).await;
    assert!(!revoked_again && error.contains(id), "{error}");
    let (_, secrets, _) = run(directory.path(), &["secrets", "list"], &[]).await;
    assert_eq!(secrets.trim(), server.secret);
}

#[tokio::test]
async fn the_command_line_adds_lists_and_removes_watermarks_while_the_server_runs() {
    let directory = temporary_directory();
    let server = RunningBinary::serve(directory.path(), &[]).await;
    std::fs::write(directory.path().join("logo.png"), test_image(30, 20, Format::Png))
        .expect("the directory is writable");
    std::fs::write(directory.path().join("notes.txt"), "no picture").expect("the directory is writable");
    let (succeeded, id, error) = run(directory.path(), &["watermarks", "add", "logo.png"], &[]).await;
    let id = id.trim();
    assert!(succeeded && id.len() == 10, "{id} {error}");
    let bearer = format!("Bearer {}", server.key);
    let path = format!("/1.0/watermarks/{id}");
    let get = async || send(server.address(), "GET", &path, &[("Authorization", &bearer)], b"").await;
    assert_eq!(get().await.json()["watermark"]["name"], "logo.png");
    let (succeeded, _, error) = run(directory.path(), &["watermarks", "add", "notes.txt"], &[]).await;
    assert!(!succeeded && error.contains("notes.txt"), "{error}");
    let (_, list, _) = run(directory.path(), &["watermarks", "list"], &[]).await;
    let line = list.lines().find(|line| line.starts_with(id)).expect("the watermark is listed");
    assert!(line.contains("PNG") && line.contains("30x20") && line.ends_with("logo.png"), "{line}");
    let (removed, _, _) = run(directory.path(), &["watermarks", "remove", id], &[]).await;
    assert!(removed && get().await.status == 404);
    let (removed_again, _, error) = run(directory.path(), &["watermarks", "remove", id], &[]).await;
    assert!(!removed_again && error.contains(id), "{error}");
}

#[tokio::test]
async fn commands_of_pixaven_receive_show_resend_and_cancel_webhooks() {
    let directory = temporary_directory();
    let server = RunningBinary::serve(directory.path(), &["--allow-network", "127.0.0.0/8"]).await;
    let application = ScriptedReceiver::start(vec![respond_status(204)]);
    let forward = application.url("/app").to_string();
    let mut listener =
        RunningBinary::start_listening("listen", directory.path(), &["--forward", &forward]).await;
    let spec = json!({ "webhook": { "url": format!("http://{}/hook", listener.address()) } });
    let id = accept(&server, &spec).await;
    assert!(listener.line_with(&id).await.ends_with("attempt 1  signature good"));
    let sent = application.wait_for_requests(1).await;
    assert_eq!(sent[0].header("webhook-id"), Some(id.as_str()));
    assert!(listener.line_with("forwarded").await.contains("204"));

    // The test waits until the server has recorded the attempt, because a webhook cannot be resent while it
    // is being sent.
    while !run(directory.path(), &["webhooks", "list"], &[]).await.1.contains("delivered") {}
    let (succeeded, again, _) = run(directory.path(), &["webhooks", "resend", &id], &[]).await;
    assert!(succeeded && again.contains(&id), "{again}");
    assert!(listener.line_with(&id).await.ends_with("attempt 2  signature good"));

    let spec = json!({ "webhook": { "url": format!("http://{}/hook", listener.address()), "delay": 3600 } });
    let waiting = accept(&server, &spec).await;
    let (succeeded, cancelled, error) = run(directory.path(), &["webhooks", "cancel", &waiting], &[]).await;
    assert!(succeeded && cancelled.contains("cancelled"), "{error}");
    let (_, list, _) = run(directory.path(), &["webhooks", "list", "--status", "failed"], &[]).await;
    assert!(list.contains(&waiting) && list.contains("failed: cancelled") && !list.contains(&id), "{list}");
    let (_, shown, _) = run(directory.path(), &["webhooks", "show", &waiting], &[]).await;
    assert_eq!(serde_json::from_str::<Value>(&shown).expect("the text is JSON")["reason"], "cancelled");
    let (succeeded, _, error) = run(directory.path(), &["webhooks", "cancel", &waiting], &[]).await;
    assert!(!succeeded && error.contains("is failed"), "{error}");

    let forged = [("webhook-id", "x"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,AAAA")];
    assert_eq!(send(listener.address(), "POST", "/", &forged, b"{}").await.status, 401);
    assert!(listener.line_with("POST / ").await.contains("signature BAD"));

    let (_, rotated, _) = run(directory.path(), &["secrets", "rotate", "--overlap", "60"], &[]).await;
    let rotated: Vec<_> = rotated.lines().collect();
    assert!(rotated.len() == 2 && rotated[1] == server.secret && rotated[0].starts_with("whsec_"));
}

#[tokio::test]
async fn the_command_line_resends_webhooks_in_bulk() {
    let directory = temporary_directory();
    let server = RunningBinary::serve(directory.path(), &["--allow-network", "127.0.0.0/8"]).await;
    let receiver =
        ScriptedReceiver::start([vec![respond_status(410); 3], vec![respond_status(200)]].concat());
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str() } });
    for _ in 0..3 {
        accept(&server, &spec).await;
    }
    let resend =
        async |flags: &[&str]| run(directory.path(), &[&["webhooks", "resend"], flags].concat(), &[]).await;
    while resend(&["--status", "failed", "--dry-run"]).await.1 != "3 webhooks match\n" {}
    let elsewhere = resend(&["--host", "example.com"]).await;
    assert_eq!((elsewhere.0, elsewhere.1.as_str()), (true, "0 webhooks match\n"));
    let (succeeded, progress, error) =
        resend(&["--host", "127.0.0.1", "--start", "2026-01-01", "--rate", "100"]).await;
    assert!(succeeded && progress.ends_with("3 of 3 sent again, 0 skipped\n"), "{progress} {error}");
    receiver.wait_for_requests(6).await;
    while resend(&["--status", "delivered", "--dry-run"]).await.1 != "3 webhooks match\n" {}

    let id = "00000000-0000-4000-8000-000000000000";
    for (flags, problem) in [
        (&[][..], "required"),
        (&[id, "--host", "127.0.0.1"], "cannot be used with"),
        (&[id, "--rate", "3"], "required"),
        (&["--host", "127.0.0.1", "--rate", "0"], "0 is not in 1..=100000"),
        (&["--status", "lost"], "status must be a comma-separated list of created"),
        (&["--start", "soon"], "start must be a UTC time"),
    ] {
        let (succeeded, _, error) = resend(flags).await;
        assert!(!succeeded && error.contains(problem), "{flags:?}: {error}");
    }
}

#[tokio::test]
async fn the_command_webhooks_watch_prints_changes_of_webhooks_as_they_happen() {
    let directory = temporary_directory();
    let server = RunningBinary::serve(directory.path(), &["--allow-network", "127.0.0.0/8"]).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let url = format!("http://user:word@{}/hook", receiver.address);
    let before = accept(&server, &json!({ "webhook": { "url": url, "delay": 3600 } })).await;
    let mut watch = RunningBinary::start(directory.path(), &["webhooks", "watch"]);
    let waiting = watch.line_with("delay until").await;
    assert!(waiting.starts_with(&before) && waiting.contains("scheduled: delay until 20"), "{waiting}");
    assert!(waiting.ends_with(&format!("http://***@{}/hook", receiver.address)), "{waiting}");

    let (succeeded, _, error) = run(directory.path(), &["webhooks", "cancel", &before], &[]).await;
    assert!(succeeded, "{error}");
    assert!(watch.line_with("cancelled").await.starts_with(&before));
    let after = accept(&server, &json!({ "webhook": { "url": url } })).await;
    assert!(watch.line_with("delivered").await.starts_with(&after));
    assert!(watch.process.try_wait().is_ok_and(|end| end.is_none()), "the command still runs");
}

/// Uploads an image with a webhook. Returns the id of the accepted request.
pub(crate) async fn accept(server: &RunningBinary, spec: &Value) -> String {
    let body = multipart::upload("a.png", &test_image(4, 4, Format::Png), &spec.to_string());
    let bearer = format!("Bearer {}", server.key);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", multipart::CONTENT_TYPE)];
    let response = send(server.address(), "POST", "/1.0/upload", &headers, &body).await;
    assert_eq!(response.status, 202, "{}", response.json());
    response.json()["id"].as_str().expect("the response has an id").to_owned()
}

#[tokio::test]
async fn a_second_server_with_the_same_data_directory_refuses_to_start() {
    let directory = temporary_directory();
    let _server = RunningBinary::serve(directory.path(), &[]).await;
    let (started, _, error) = run(directory.path(), &["serve", "--listen", "127.0.0.1:0"], &[]).await;
    assert!(!started && error.contains("a server is running"), "{error}");
}

#[tokio::test]
async fn the_command_config_prints_effective_settings_and_rejects_unknown_settings() {
    let directory = temporary_directory();
    std::fs::write(directory.path().join("pixaven.toml"), "[images]\nworkers = 3\n")
        .expect("the directory is writable");
    let environment = [("PIXAVEN_FETCH_REDIRECTS", "2")];
    let (_, shown, _) =
        run(directory.path(), &["config", "--set", "results.keep_hours=5"], &environment).await;
    for part in ["workers = 3", "redirects = 2", "keep_hours = 5"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (succeeded, _, error) = run(directory.path(), &["config", "--set", "images.worker=3"], &[]).await;
    assert!(!succeeded && error.contains("images.workers"), "{error}");
    let (succeeded, _, error) = run(directory.path(), &["config"], &[("PIXAVEN_IMAGES_WORKER", "3")]).await;
    assert!(!succeeded && error.to_lowercase().contains("pixaven_images_workers"), "{error}");
}

#[tokio::test]
async fn a_server_with_tls_refuses_plain_http_requests_and_does_not_redirect_them() {
    let directory = temporary_directory();
    write_self_signed(directory.path(), API_HOST);
    let plain = unused_address();
    let plain_listen = format!("server.plain_listen={plain}");
    let flags = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--set", &plain_listen];
    let _server = RunningBinary::serve(directory.path(), &flags).await;
    let response = send(plain, "POST", "/1.0/fetch", &[], b"{}").await;
    assert_eq!((response.status, &response.json()["error"]), (403, &serde_json::json!("tls_required")));
    assert_eq!(response.header("Location"), None);
}

#[tokio::test]
async fn a_server_with_a_broken_certificate_fails_to_start_and_creates_no_data_directory() {
    let directory = temporary_directory();
    write_self_signed(directory.path(), API_HOST);
    std::fs::write(directory.path().join("cert.pem"), "no certificate").expect("the directory is writable");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let (succeeded, _, error) = run(directory.path(), &arguments, &[]).await;
    assert!(!succeeded && error.contains("server.tls_cert"), "{error}");
    assert!(!Path::new(&directory.path().join("pixaven-data")).exists(), "no data directory was created");
}

#[tokio::test]
async fn the_command_pixaven_doctor_succeeds_only_if_the_data_directory_can_be_written() {
    let directory = temporary_directory();
    let (succeeded, text, _) = run(directory.path(), &["doctor"], &[]).await;
    assert!(succeeded, "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("data directory ./pixaven-data: can be written"), "{text}");
    std::fs::write(directory.path().join("file"), "").expect("the directory can be written");
    let (succeeded, text, _) = run(directory.path(), &["doctor", "--data-dir", "file/data"], &[]).await;
    assert!(!succeeded && text.contains("FAILED   data directory file/data"), "{text}");
    assert!(text.contains("set server.data_dir"), "{text}");
}
