//! Tests the commands `pixaven ledger copy` and `pixaven ledger check` of the real binary.

use std::path::Path;

use pixaven_testkit::postgres::new_database;
use pixaven_testkit::process::{Signal, send_signal};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use serde_json::json;
use tempfile::TempDir;

use crate::binary::{RunningBinary, run};
use crate::command_line::accept;

fn temporary_directory() -> TempDir {
    TempDir::new().expect("a temporary directory can be created")
}

async fn stop(mut server: RunningBinary) {
    let pid = server.process.id().expect("the server runs");
    send_signal(pid, Signal::TERM).expect("the server can be signalled");
    assert!(server.process.wait().await.is_ok_and(|status| status.success()));
}

async fn copy(directory: &Path, to: &str) -> (bool, String, String) {
    run(directory, &["ledger", "copy", "--from", "sqlite:pixaven-data/pixaven.db", "--to", to], &[]).await
}

#[tokio::test]
async fn a_server_continues_in_postgresql_with_the_ledger_of_a_stopped_server() {
    let Some(url) = tokio::task::spawn_blocking(new_database).await.expect("it does not panic") else {
        return;
    };
    let directory = temporary_directory();
    let allow = ["--allow-network", "127.0.0.0/8"];
    let server = RunningBinary::serve(directory.path(), &allow).await;
    let receiver = ScriptedReceiver::start(vec![respond_status(204)]);
    let spec = json!({ "webhook": { "url": receiver.url("/").as_str(), "delay": 3600 } });
    let id = accept(&server, &spec).await;
    let (copied, _, error) = copy(directory.path(), &url).await;
    assert!(!copied && error.contains("stop the server first"), "{error}");
    stop(server).await;

    let (copied, text, error) = copy(directory.path(), &url).await;
    assert!(copied && text.contains("compared  webhooks                    1 rows"), "{text} {error}");
    assert!(text.contains("the ledger was copied: set ledger.url"), "{text}");
    let setting = format!("ledger.url={url}");
    let in_postgres = ["--set", &setting];
    let (again, text, error) =
        run(directory.path(), &[&["ledger", "copy"][..], &in_postgres].concat(), &[]).await;
    assert!(again && text.contains("the ledger was copied before"), "{text} {error}");
    let check = ["ledger", "check", "--ledger", &url];
    let (is_sound, text, error) = run(directory.path(), &check, &[]).await;
    assert!(is_sound && text == "the ledger in PostgreSQL is sound\n", "{text} {error}");

    let server = RunningBinary::serve(directory.path(), &[&allow[..], &in_postgres].concat()).await;
    assert!(server.key.is_empty(), "the server has the keys of the copied ledger");
    let resend = [&["webhooks", "resend", &id][..], &in_postgres].concat();
    let (resent, _, error) = run(directory.path(), &resend, &[]).await;
    assert!(resent, "{error}");
    assert_eq!(receiver.wait_for_requests(1).await[0].header("webhook-id"), Some(id.as_str()));
}

#[tokio::test]
async fn the_check_prints_each_violation_and_exits_with_1() {
    let directory = temporary_directory();
    let server = RunningBinary::serve(directory.path(), &[]).await;
    let id =
        accept(&server, &json!({ "webhook": { "url": "https://receiver.example/", "delay": 3600 } })).await;
    let check =
        async |flags: &[&str]| run(directory.path(), &[&["ledger", "check"], flags].concat(), &[]).await;
    let (is_sound, text, error) = check(&[]).await;
    assert!(is_sound && text == "the ledger ./pixaven-data/pixaven.db is sound\n", "{text} {error}");
    while !run(directory.path(), &["webhooks", "list"], &[]).await.1.contains("scheduled") {}
    stop(server).await;
    let path = directory.path().join("pixaven-data/pixaven.db");
    let connection = rusqlite::Connection::open(&path).expect("the ledger can be opened");
    connection.execute("DELETE FROM payloads", []).expect("the row can be deleted");
    drop(connection);
    let (is_sound, text, _) = check(&["--ledger", "sqlite:pixaven-data"]).await;
    assert!(!is_sound && text.contains(&format!("webhook 1 ({id}) is queued, but has no payload")), "{text}");
    let last = "the ledger pixaven-data/pixaven.db breaks 2 rules; see docs/operating.md";
    assert_eq!(text.lines().last(), Some(last), "{text}");
}

#[tokio::test]
async fn the_ledger_commands_say_which_addresses_they_accept() {
    let directory = temporary_directory();
    for (arguments, problem) in [
        (&["ledger", "copy", "--from", "pixaven.db"][..], "sqlite:PATH or postgres://"),
        (&["ledger", "copy", "--from", "postgres://localhost/x"], "only an SQLite ledger can be copied"),
        (&["ledger", "copy", "--to", "sqlite:other.db"], "can only be copied to PostgreSQL"),
        (&["ledger", "copy"], "--to or ledger.url must name a PostgreSQL database"),
        (
            &["ledger", "copy", "--to", "postgres://localhost/x"],
            "there is no ledger ./pixaven-data/pixaven.db",
        ),
        (&["ledger", "check", "--ledger", "sqlite:none.db"], "there is no ledger none.db"),
        (&["ledger", "check", "--ledger", "postgres://localhost"], "it must name a database"),
    ] {
        let (succeeded, _, error) = run(directory.path(), arguments, &[]).await;
        assert!(!succeeded && error.contains(problem), "{arguments:?}: {error}");
    }
    let left = std::fs::read_dir(directory.path()).expect("it can be read").count();
    assert_eq!(left, 0, "the commands create nothing");
}
