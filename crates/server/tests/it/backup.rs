//! Tests the command `pixaven backup` of the real binary: backups of a server that works, and servers that
//! start from the backups.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pixaven_imaging::plan::Format;
use pixaven_ledger::{Clock, Ledger, Store};
use pixaven_testkit::multipart;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use pixaven_testkit::wire_client::send;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::binary::{RunningBinary, run};
use crate::test_images::test_image;

const N_BACKUPS: usize = 3;
/// The largest number of requests of each of the four clients.
const MAX_REQUESTS: usize = 15;

fn temporary_directory() -> TempDir {
    TempDir::new().expect("a temporary directory can be created")
}

/// Extracts an archive as the documentation says: into the data directory of an empty `directory`, with the seal
/// keys beside it.
fn restore(archive: &Path, seal_keys: &Path, directory: &Path) {
    let data_dir = directory.join("pixaven-data");
    std::fs::create_dir(&data_dir).expect("the directory can be created");
    let file = File::open(archive).expect("the archive exists");
    tar::Archive::new(file).unpack(&data_dir).expect("the archive can be extracted");
    assert!(!data_dir.join("seal.key").exists(), "the archive has no keys");
    std::fs::copy(seal_keys, data_dir.join("seal.key")).expect("the keys can be copied");
}

/// Returns the number of webhooks of a ledger that were not sent yet.
async fn n_pending(directory: &Path) -> u64 {
    let path = directory.join("pixaven-data/pixaven.db");
    let ledger = Ledger::open(Store::Sqlite { path }, Clock::System).await.expect("the ledger can be opened");
    let account = ledger.keys().await.expect("there are keys")[0].account;
    let usage = ledger.usage(account).await.expect("the account exists");
    ledger.close().await;
    usage.webhooks[..3].iter().map(|(_, n)| n).sum()
}

/// Uploads an image that is stored as a file, with a webhook.
async fn upload(server: std::net::SocketAddr, key: &str, spec: &Value) -> u16 {
    let body = multipart::upload("a.png", &test_image(300, 300, Format::Png), &spec.to_string());
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", multipart::CONTENT_TYPE)];
    send(server, "POST", "/1.0/upload", &headers, &body).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_backup_of_a_server_at_work_starts_a_server_that_does_the_rest_of_the_work() {
    let directory = temporary_directory();
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let flags = ["--allow-network", "127.0.0.0/8", "--set", "jobs.concurrency=1"];
    let server = RunningBinary::serve(directory.path(), &flags).await;
    let spec = Arc::new(json!({ "webhook": { "url": receiver.url("/").as_str() } }));
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (spec, is_over) = (Arc::clone(&spec), Arc::clone(&is_over));
        let (address, key) = (server.address(), server.key.clone());
        clients.spawn(async move {
            for _ in 0..MAX_REQUESTS {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                assert_eq!(upload(address, &key, &spec).await, 202);
            }
        });
    }
    receiver.wait_for_requests(2).await;
    for n in 0..N_BACKUPS {
        let name = format!("{n}.tar");
        let (succeeded, text, error) = run(directory.path(), &["backup", &name], &[]).await;
        assert!(succeeded && text.starts_with(&format!("{name}: the database and ")), "{text} {error}");
        assert_eq!(error, "", "no file is missing");
        let mode = std::fs::metadata(directory.path().join(&name)).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(!directory.path().join("pixaven-data/.running-backup").exists(), "nothing is left behind");
    is_over.store(true, Ordering::SeqCst);
    clients.join_all().await;
    drop(server);

    let mut n_restored_jobs = 0;
    for n in 0..N_BACKUPS {
        let restored = temporary_directory();
        let seal_keys = directory.path().join("pixaven-data/seal.key");
        restore(&directory.path().join(format!("{n}.tar")), &seal_keys, restored.path());
        let check = ["ledger", "check", "--ledger", "sqlite:pixaven-data"];
        let (is_sound, text, error) = run(restored.path(), &check, &[]).await;
        assert!(is_sound, "{text} {error}");
        let n_pending = n_pending(restored.path()).await;
        n_restored_jobs += n_pending;
        let n_before = receiver.requests().len();
        let _server = RunningBinary::serve(restored.path(), &flags).await;
        receiver.wait_for_requests(n_before + usize::try_from(n_pending).expect("it is small")).await;
    }
    assert!(n_restored_jobs > 0, "the server had work during the backups");
    for request in receiver.requests() {
        let payload: Value = serde_json::from_slice(&request.body).expect("a payload is JSON");
        assert_eq!(payload["success"], true, "no input was missing: {payload}");
    }
}

#[tokio::test]
async fn a_file_that_the_ledger_needs_and_that_is_gone_is_named_by_the_backup() {
    let directory = temporary_directory();
    let server = RunningBinary::serve(directory.path(), &[]).await;
    assert_eq!(upload(server.address(), &server.key, &json!({})).await, 200);
    let days = directory.path().join("pixaven-data/blobs/results");
    let day = std::fs::read_dir(&days).expect("results are files").next().expect("there is one");
    std::fs::remove_dir_all(day.expect("it can be read").path()).expect("it can be removed");
    let (succeeded, _, error) = run(directory.path(), &["backup", "a.tar"], &[]).await;
    assert!(succeeded && error.contains("the ledger names results/"), "{error}");
}

#[tokio::test]
async fn a_backup_replaces_no_file_and_copies_no_ledger_in_postgresql() {
    let directory = temporary_directory();
    let (succeeded, _, error) = run(directory.path(), &["backup", "a.tar"], &[]).await;
    assert!(!succeeded && error.contains("there is no ledger ./pixaven-data/pixaven.db"), "{error}");
    run(directory.path(), &["keys", "create"], &[]).await;
    std::fs::write(directory.path().join("a.tar"), "other").expect("the directory is writable");
    let (succeeded, _, error) = run(directory.path(), &["backup", "a.tar"], &[]).await;
    assert!(!succeeded && error.contains("a.tar exists already"), "{error}");
    let (succeeded, _, error) = run(directory.path(), &["backup", "none/b.tar"], &[]).await;
    assert!(!succeeded && error.contains("no file can be created in none"), "{error}");
    let url = ["backup", "b.tar", "--set", "ledger.url=postgres://localhost/pixaven"];
    let (succeeded, _, error) = run(directory.path(), &url, &[]).await;
    assert!(!succeeded && error.contains("pg_dump"), "{error}");
    let left: Vec<_> = std::fs::read_dir(directory.path()).expect("it can be read").collect();
    assert_eq!(left.len(), 2, "no temporary file is left: {left:?}");
}
