//! Tests of the real binary as several nodes that share a PostgreSQL ledger. Without PostgreSQL, the tests say that
//! they are skipped.

use std::path::Path;

use pixaven_imaging::plan::Format;
use pixaven_testkit::multipart;
use pixaven_testkit::postgres::new_database;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use pixaven_testkit::wire_client::send;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{RunningBinary, run};
use crate::test_images::test_image;

/// Starts a node with a data directory of its own and the given roles.
async fn start_node(directory: &Path, name: &str, url: &str, roles: &str) -> RunningBinary {
    let settings = [
        format!("ledger.url={url}"),
        format!("server.data_dir={name}"),
        format!("server.seal_key_file={}", directory.join("seal.key").display()),
        format!("blobs.url=file://{}", directory.join("files").display()),
        format!("node.name={name}"),
        format!("node.roles={roles}"),
    ];
    let mut flags = vec!["--allow-network", "127.0.0.0/8"];
    flags.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    RunningBinary::serve(directory, &flags).await
}

async fn database() -> Option<String> {
    tokio::task::spawn_blocking(new_database).await.expect("the database can be created")
}

#[tokio::test]
async fn nodes_with_different_roles_share_the_work_on_one_request() {
    let Some(url) = database().await else { return };
    let directory = TempDir::new().expect("a temporary directory can be created");
    let api = start_node(directory.path(), "front", &url, "api").await;
    let worker = start_node(directory.path(), "worker", &url, "jobs,dispatch").await;
    assert!(worker.key.is_empty(), "the first node has created the API key");
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let data = json!({ "resize": { "width": 2 }, "webhook": { "url": receiver.url("/hook").as_str() } });
    let body = multipart::upload("a.png", &test_image(4, 4, Format::Png), &data.to_string());
    let bearer = format!("Bearer {}", api.key);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", multipart::CONTENT_TYPE)];

    let refused = send(worker.address(), "POST", "/1.0/upload", &headers, &body).await;
    assert_eq!(refused.status, 404, "a node without the role api serves only health checks");
    assert_eq!(send(worker.address(), "GET", "/readyz", &[], b"").await.status, 200);

    let accepted = send(api.address(), "POST", "/1.0/upload", &headers, &body).await;
    assert_eq!(accepted.status, 202);
    let delivered = &receiver.wait_for_requests(1).await[0];
    let payload: Value = serde_json::from_slice(&delivered.body).expect("the payload is JSON");
    assert_eq!(payload["output"]["width"], 2);
    let link = payload["output"]["url"].as_str().expect("the payload has a link");
    let path = &link[link.find("/dl/").expect("the link is a download")..];
    assert_eq!(send(api.address(), "GET", path, &[], b"").await.status, 200, "any node serves the result");

    let arguments = ["nodes", "list", "--set", &format!("ledger.url={url}")];
    let (is_success, printed, error) = run(directory.path(), &arguments, &[]).await;
    assert!(is_success, "{error}");
    let lines: Vec<_> = printed.lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(lines[0].contains("front") && lines[0].contains(" api "), "{printed}");
    assert!(lines[1].contains("worker") && lines[1].contains(" jobs,dispatch "), "{printed}");
}

#[tokio::test]
async fn a_server_does_not_start_without_the_database_of_ledger_url_and_hides_its_password() {
    let directory = TempDir::new().expect("a temporary directory can be created");
    let closed = pixaven_testkit::ports::ClosedPort::reserve();
    let url = format!("ledger.url=postgres://pixaven:secretword@{}/pixaven", closed.address);
    let (is_success, printed, error) = run(directory.path(), &["serve", "--set", &url], &[]).await;
    assert!(!is_success);
    assert!(error.contains("ledger.url") && error.contains("the database cannot be reached"), "{error}");
    assert!(!error.contains("secretword") && !printed.contains("secretword"), "{error}");

    let roles = ["serve", "--set", "node.roles=api"];
    let (is_success, _, error) = run(directory.path(), &roles, &[]).await;
    assert!(
        !is_success && error.contains("node.roles") && error.contains("unless ledger.url is set"),
        "{error}"
    );
}

#[tokio::test]
async fn a_node_whose_files_no_other_node_can_read_does_not_start_beside_another_node() {
    let Some(url) = database().await else { return };
    let directory = TempDir::new().expect("a temporary directory can be created");
    let _first = start_node(directory.path(), "first", &url, "api,jobs,dispatch").await;
    let (url, seal) = (
        format!("ledger.url={url}"),
        format!("server.seal_key_file={}", directory.path().join("seal.key").display()),
    );
    let arguments =
        ["serve", "--set", &url, "--set", &seal, "--set", "node.name=second", "--data-dir", "second"];
    let (is_success, _, error) = run(directory.path(), &arguments, &[]).await;
    assert!(!is_success);
    assert!(error.contains("the node first works on this ledger: several nodes need `blobs.url`"), "{error}");
}
