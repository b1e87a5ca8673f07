//! The command line of the real binary: first start, keys beside a running server, configuration, signals, TLS.

use std::path::Path;

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

use crate::binary::{API_HOST, Binary, run};
use crate::pictures::picture;

fn directory() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

async fn status_with(server: &Binary, key: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    send(server.address(), "GET", "/1.0/account", &[("Authorization", &bearer)], b"").await.status
}

#[tokio::test]
async fn the_first_start_shows_a_key_that_works_and_the_second_does_not() {
    let directory = directory();
    let mut first = Binary::serve(directory.path(), &[]).await;
    assert!(first.key.starts_with("pxv_") && first.secret.starts_with("whsec_"));
    assert_eq!(status_with(&first, &first.key).await, 200);
    send_signal(first.process.id().expect("the server runs"), Signal::TERM)
        .expect("the server can be signalled");
    assert!(
        first.process.wait().await.is_ok_and(|status| status.success()),
        "a stop in good order is a success"
    );
    let second = Binary::serve(directory.path(), &[]).await;
    assert!(second.key.is_empty(), "a key is shown once");
    assert_eq!(status_with(&second, &first.key).await, 200);
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked_beside_a_running_server() {
    let directory = directory();
    let server = Binary::serve(directory.path(), &[]).await;
    let (_, key, _) = run(directory.path(), &["keys", "create", "--label", "shop"], &[]).await;
    let key = key.trim();
    assert_eq!(status_with(&server, key).await, 200);
    let (_, list, _) = run(directory.path(), &["keys", "list"], &[]).await;
    let line = list.lines().find(|line| line.ends_with("shop")).expect("the new key is listed");
    assert!(!list.contains(key), "a key is never shown again");
    let id = line.split_whitespace().next().expect("an id");
    let (revoked, _, _) = run(directory.path(), &["keys", "revoke", id], &[]).await;
    assert!(revoked);
    let (again, _, error) = run(directory.path(), &["keys", "revoke", id], &[]).await;
    assert!(!again && error.contains(id), "{error}");
    let (_, secrets, _) = run(directory.path(), &["secrets", "list"], &[]).await;
    assert_eq!(secrets.trim(), server.secret);
}

#[tokio::test]
async fn watermarks_are_added_listed_and_removed_beside_a_running_server() {
    let directory = directory();
    let server = Binary::serve(directory.path(), &[]).await;
    std::fs::write(directory.path().join("logo.png"), picture(30, 20, Format::Png)).expect("writable");
    std::fs::write(directory.path().join("notes.txt"), "no picture").expect("writable");
    let (fine, id, error) = run(directory.path(), &["watermarks", "add", "logo.png"], &[]).await;
    let id = id.trim();
    assert!(fine && id.len() == 10, "{id} {error}");
    let bearer = format!("Bearer {}", server.key);
    let path = format!("/1.0/watermarks/{id}");
    let get = async || send(server.address(), "GET", &path, &[("Authorization", &bearer)], b"").await;
    assert_eq!(get().await.json()["watermark"]["name"], "logo.png");
    let (fine, _, error) = run(directory.path(), &["watermarks", "add", "notes.txt"], &[]).await;
    assert!(!fine && error.contains("notes.txt"), "{error}");
    let (_, list, _) = run(directory.path(), &["watermarks", "list"], &[]).await;
    let line = list.lines().find(|line| line.starts_with(id)).expect("the watermark is listed");
    assert!(line.contains("PNG") && line.contains("30x20") && line.ends_with("logo.png"), "{line}");
    let (removed, _, _) = run(directory.path(), &["watermarks", "remove", id], &[]).await;
    assert!(removed && get().await.status == 404);
    let (again, _, error) = run(directory.path(), &["watermarks", "remove", id], &[]).await;
    assert!(!again && error.contains(id), "{error}");
}

#[tokio::test]
async fn webhooks_are_received_shown_sent_again_and_cancelled_from_the_command_line() {
    let directory = directory();
    let server = Binary::serve(directory.path(), &["--allow-network", "127.0.0.0/8"]).await;
    let app = ScriptedReceiver::start(vec![respond_status(204)]);
    let forward = app.url("/app").to_string();
    let mut listener = Binary::listening("listen", directory.path(), &["--forward", &forward]).await;
    let spec = json!({ "webhook": { "url": format!("http://{}/hook", listener.address()) } });
    let id = accept(&server, &spec).await;
    assert!(listener.line_with(&id).await.ends_with("attempt 1  signature good"));
    let sent = app.wait_for_requests(1).await;
    assert_eq!(sent[0].header("webhook-id"), Some(id.as_str()));
    assert!(listener.line_with("forwarded").await.contains("204"));

    // Its answer is on the way back; while it is being sent, there is nothing to send again.
    while !run(directory.path(), &["webhooks", "list"], &[]).await.1.contains("delivered") {}
    let (fine, again, _) = run(directory.path(), &["webhooks", "resend", &id], &[]).await;
    assert!(fine && again.contains(&id), "{again}");
    assert!(listener.line_with(&id).await.ends_with("attempt 2  signature good"));

    let spec = json!({ "webhook": { "url": format!("http://{}/hook", listener.address()), "delay": 3600 } });
    let waiting = accept(&server, &spec).await;
    let (fine, cancelled, error) = run(directory.path(), &["webhooks", "cancel", &waiting], &[]).await;
    assert!(fine && cancelled.contains("cancelled"), "{error}");
    let (_, list, _) = run(directory.path(), &["webhooks", "list", "--status", "failed"], &[]).await;
    assert!(list.contains(&waiting) && list.contains("failed: cancelled") && !list.contains(&id), "{list}");
    let (_, shown, _) = run(directory.path(), &["webhooks", "show", &waiting], &[]).await;
    assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON")["reason"], "cancelled");
    let (fine, _, error) = run(directory.path(), &["webhooks", "cancel", &waiting], &[]).await;
    assert!(!fine && error.contains("is failed"), "{error}");

    let forged = [("webhook-id", "x"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,AAAA")];
    assert_eq!(send(listener.address(), "POST", "/", &forged, b"{}").await.status, 401);
    assert!(listener.line_with("POST / ").await.contains("signature BAD"));

    let (_, rotated, _) = run(directory.path(), &["secrets", "rotate", "--overlap", "60"], &[]).await;
    let rotated: Vec<_> = rotated.lines().collect();
    assert!(rotated.len() == 2 && rotated[1] == server.secret && rotated[0].starts_with("whsec_"));
}

#[tokio::test]
async fn many_webhooks_are_sent_again_from_the_command_line() {
    let directory = directory();
    let server = Binary::serve(directory.path(), &["--allow-network", "127.0.0.0/8"]).await;
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
    let (fine, progress, error) =
        resend(&["--host", "127.0.0.1", "--start", "2026-01-01", "--rate", "100"]).await;
    assert!(fine && progress.ends_with("3 of 3 sent again, 0 skipped\n"), "{progress} {error}");
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
        let (fine, _, error) = resend(flags).await;
        assert!(!fine && error.contains(problem), "{flags:?}: {error}");
    }
}

#[tokio::test]
async fn changes_of_webhooks_are_printed_as_they_come() {
    let directory = directory();
    let server = Binary::serve(directory.path(), &["--allow-network", "127.0.0.0/8"]).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let url = format!("http://user:word@{}/hook", receiver.address);
    let before = accept(&server, &json!({ "webhook": { "url": url, "delay": 3600 } })).await;
    let mut watch = Binary::running(directory.path(), &["webhooks", "watch"]);
    let waiting = watch.line_with("delay until").await;
    assert!(waiting.starts_with(&before) && waiting.contains("scheduled: delay until 20"), "{waiting}");
    assert!(waiting.ends_with(&format!("http://***@{}/hook", receiver.address)), "{waiting}");

    let (fine, _, error) = run(directory.path(), &["webhooks", "cancel", &before], &[]).await;
    assert!(fine, "{error}");
    assert!(watch.line_with("cancelled").await.starts_with(&before));
    let after = accept(&server, &json!({ "webhook": { "url": url } })).await;
    assert!(watch.line_with("delivered").await.starts_with(&after));
    assert!(watch.process.try_wait().is_ok_and(|end| end.is_none()), "it goes on");
}

/// Uploads a picture; returns the accepted request's id.
async fn accept(server: &Binary, spec: &Value) -> String {
    let body = multipart::upload("a.png", &picture(4, 4, Format::Png), &spec.to_string());
    let bearer = format!("Bearer {}", server.key);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", multipart::CONTENT_TYPE)];
    let reply = send(server.address(), "POST", "/1.0/upload", &headers, &body).await;
    assert_eq!(reply.status, 202, "{}", reply.json());
    reply.json()["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_directory_belongs_to_one_server() {
    let directory = directory();
    let _server = Binary::serve(directory.path(), &[]).await;
    let (second, _, error) = run(directory.path(), &["serve", "--listen", "127.0.0.1:0"], &[]).await;
    assert!(!second && error.contains("another server is running"), "{error}");
}

#[tokio::test]
async fn the_configuration_says_what_is_in_force_and_what_is_unknown() {
    let directory = directory();
    std::fs::write(directory.path().join("pixaven.toml"), "[images]\nworkers = 3\n").expect("writable");
    let environment = [("PIXAVEN_FETCH_REDIRECTS", "2")];
    let (_, shown, _) =
        run(directory.path(), &["config", "--set", "results.keep_hours=5"], &environment).await;
    for part in ["workers = 3", "redirects = 2", "keep_hours = 5"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (fine, _, error) = run(directory.path(), &["config", "--set", "images.worker=3"], &[]).await;
    assert!(!fine && error.contains("images.workers"), "{error}");
    let (fine, _, error) = run(directory.path(), &["config"], &[("PIXAVEN_IMAGES_WORKER", "3")]).await;
    assert!(!fine && error.to_lowercase().contains("pixaven_images_workers"), "{error}");
}

#[tokio::test]
async fn the_plain_port_of_a_tls_server_refuses_and_never_redirects() {
    let directory = directory();
    write_self_signed(directory.path(), API_HOST);
    let plain = unused_address();
    let plain_listen = format!("server.plain_listen={plain}");
    let flags = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--set", &plain_listen];
    let _server = Binary::serve(directory.path(), &flags).await;
    let reply = send(plain, "POST", "/1.0/fetch", &[], b"{}").await;
    assert_eq!((reply.status, &reply.json()["error"]), (403, &serde_json::json!("tls_required")));
    assert_eq!(reply.header("Location"), None);
}

#[tokio::test]
async fn a_broken_certificate_is_said_before_anything_is_served() {
    let directory = directory();
    write_self_signed(directory.path(), API_HOST);
    std::fs::write(directory.path().join("cert.pem"), "no certificate").expect("writable");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let (fine, _, error) = run(directory.path(), &arguments, &[]).await;
    assert!(!fine && error.contains("server.tls_cert"), "{error}");
    assert!(!Path::new(&directory.path().join("pixaven-data")).exists(), "nothing was made");
}
