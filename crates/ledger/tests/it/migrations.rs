//! Opening files: new ones, old ones, other people's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pixaven_ledger::{Clock, Content, Error, InputRef, Ledger, Next, Store};
use rusqlite::Connection;
use uuid::Uuid;

use crate::fixture::{START_MS, delivered, key, request, webhook};

async fn open(path: &Path) -> Result<Ledger, Error> {
    Ledger::open(Store::Sqlite { path: path.to_owned() }, Clock::manual(START_MS)).await
}

fn pragma(path: &Path, name: &str) -> String {
    let connection = Connection::open(path).unwrap();
    connection
        .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        .map(|value| match value {
            rusqlite::types::Value::Integer(n) => n.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => panic!("{name} is {other:?}"),
        })
        .unwrap()
}

#[tokio::test]
async fn a_new_file_is_private_and_marked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/ledger.db");
    let ledger = open(&path).await.unwrap();
    ledger.create_key(key(0)).await.unwrap();
    for file in fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
    ledger.close().await;
    assert_eq!(pragma(&path, "application_id"), 0x5058_564e.to_string());
    assert_eq!(pragma(&path, "user_version"), "6");
    assert_eq!(pragma(&path, "journal_mode"), "wal");
}

#[tokio::test]
async fn a_closed_file_is_whole_and_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let ledger = open(&path).await.unwrap();
    let account = ledger.create_key(key(0)).await.unwrap().account;
    let new = request(account, webhook());
    let id = new.id;
    ledger.accept(new).await.unwrap();
    ledger.close().await;
    ledger.close().await;
    assert!(matches!(ledger.health().await, Err(Error::Closed)));
    assert!(matches!(ledger.keys().await, Err(Error::Closed)));
    let files: Vec<PathBuf> =
        fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, std::slice::from_ref(&path), "the log was copied back");

    let ledger = open(&path).await.unwrap();
    assert_eq!(ledger.keys().await.unwrap().len(), 1);
    assert!(ledger.webhook(account, id).await.unwrap().is_some());
}

#[tokio::test]
async fn two_may_open_a_new_file_at_once() {
    for _ in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let (one, other) = tokio::join!(open(&path), open(&path));
        one.unwrap().create_key(key(1)).await.unwrap();
        assert!(other.unwrap().account_by_key([1; 32]).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    open(&path).await.unwrap().close().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(open(&path).await, Err(Error::TooNew { found: 99, known: 6 })));
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("other.db");
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    let text = directory.path().join("other.txt");
    fs::write(&text, "no database at all, but longer than the header of one would be. ".repeat(20)).unwrap();
    for path in [database, text] {
        let before = fs::read(&path).unwrap();
        assert!(matches!(open(&path).await, Err(Error::NotALedger { path: refused }) if refused == path));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let path = file.join("ledger.db");
    assert!(matches!(open(&path).await, Err(Error::Create { path: named, .. }) if named == path));
}

/// A ledger as the first version left it: one webhook waits for its second attempt, one was being sent, an upload waits
/// for its processing, and a result is kept.
const FIRST_VERSION: &str = "
    INSERT INTO accounts VALUES (1, 'default', 0);
    INSERT INTO counters (account, n_scheduled, n_dispatched) VALUES (1, 1, 1);
    INSERT INTO requests VALUES
        (1, X'00000000000000000000000000000001', 1, 0, NULL, NULL, NULL, 10, 500, 1, 'a:443', 'https://a/', '', '{}'),
        (2, X'00000000000000000000000000000002', 1, 0, NULL, NULL, NULL, 0, NULL, 1, 'a:443', 'https://a/', '', '{}');
    INSERT INTO payloads VALUES (1, 100, '{}'), (2, 100, '{}');
    INSERT INTO webhooks (no, account, created_ms, status) VALUES (1, 1, 0, 'scheduled'), (2, 1, 0, 'dispatched');
    INSERT INTO webhook_queue VALUES (1, 1, 'a:443', 200, 1, NULL, 1), (2, 1, 'a:443', 150, 3, 900, 3);
    INSERT INTO attempts (no, number, fence, started_ms) VALUES (2, 3, 3, 150);
    INSERT INTO requests VALUES (3, X'00000000000000000000000000000003', 1, 0, 'inputs/3', 'a.jpg', 5, 0, NULL, 1,
                                 'a:443', 'https://a/', '', '{}');
    INSERT INTO webhooks (no, account, created_ms, status) VALUES (3, 1, 0, 'created');
    INSERT INTO jobs VALUES (3, 1, 0, 0, NULL, 0);
    INSERT INTO results VALUES (X'00000000000000000000000000000004', 1, 'b.jpg', 'results/b', 'image/jpeg', 5, 'ab', 0, 999);
    PRAGMA application_id = 0x5058564e;
    PRAGMA user_version = 1;";

#[tokio::test]
async fn a_file_of_the_first_version_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let before = Connection::open(&path).unwrap();
    before.execute_batch(include_str!("../../migrations/sqlite/0001_ledger.sql")).unwrap();
    before.execute_batch(FIRST_VERSION).unwrap();
    drop(before);
    let ledger = Ledger::open(Store::Sqlite { path }, Clock::manual(300)).await.unwrap();
    assert_eq!(ledger.recover().await.unwrap().n_webhooks, 1);
    let mut seen = vec![];
    for _ in 0..2 {
        let [lease] =
            <[_; 1]>::try_from(ledger.claim_webhooks(9, 1_000).await.unwrap()).expect("one at first");
        let webhook = &lease.value;
        seen.push((
            webhook.id.as_u128(),
            lease.attempt,
            webhook.n_counted,
            webhook.is_retry,
            webhook.expires_at_ms,
        ));
        ledger.record_attempt(&lease, delivered(), Next::Delivered).await.unwrap();
    }
    assert_eq!(seen, [(1, 2, 1, true, Some(610)), (2, 4, 2, true, None)]);
    let [job] = <[_; 1]>::try_from(ledger.claim_jobs(9, 1_000).await.unwrap()).expect("one job");
    let content = Content::File { key: "inputs/3".to_owned() };
    assert_eq!(job.value.input, InputRef::Upload { content, name: "a.jpg".to_owned(), bytes: 5 });
    let result = ledger.result(Uuid::from_u128(4), "b.jpg").await.unwrap().expect("a result");
    assert_eq!(result.content, Content::File { key: "results/b".to_owned() });
}
