//! Tests of opening database files: new files, files of older and newer schema versions, and files of other
//! programs.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pixaven_ledger::{Clock, Disposition, DueReason, Error, InputRef, Ledger, Secret, Store, StoredContent};
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
async fn a_new_ledger_file_is_readable_only_by_its_owner_and_has_the_application_id() {
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
    assert_eq!(pragma(&path, "user_version"), "9");
    assert_eq!(pragma(&path, "journal_mode"), "wal");
}

#[tokio::test]
async fn a_closed_ledger_consists_of_a_single_file_that_can_be_opened_again() {
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
    assert_eq!(files, std::slice::from_ref(&path), "the log was copied into the database");

    let ledger = open(&path).await.unwrap();
    assert_eq!(ledger.keys().await.unwrap().len(), 1);
    assert!(ledger.webhook(account, id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_new_ledger_file_can_be_opened_twice_at_the_same_time() {
    for _ in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let (first, second) = tokio::join!(open(&path), open(&path));
        first.unwrap().create_key(key(1)).await.unwrap();
        assert!(second.unwrap().account_by_key([1; 32]).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_ledger_file_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    open(&path).await.unwrap().close().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(open(&path).await, Err(Error::TooNew { found: 99, known: 9 })));
}

#[tokio::test]
async fn opening_a_file_of_another_program_as_a_ledger_fails_and_leaves_it_unchanged() {
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
async fn the_error_for_a_directory_that_cannot_be_created_names_the_ledger_file_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let path = file.join("ledger.db");
    assert!(matches!(open(&path).await, Err(Error::Create { path: named, .. }) if named == path));
}

/// The SQL that fills a ledger file of schema version 1. In this ledger, one webhook waits for its second
/// attempt, another webhook is being sent, one upload waits for its processing, and one result is stored.
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
async fn migrating_a_ledger_file_of_the_first_version_keeps_its_jobs_webhooks_and_results() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let before = Connection::open(&path).unwrap();
    before.execute_batch(include_str!("../../migrations/sqlite/0001_ledger.sql")).unwrap();
    before.execute_batch(FIRST_VERSION).unwrap();
    drop(before);
    let ledger = Ledger::open(Store::Sqlite { path }, Clock::manual(300)).await.unwrap();
    assert_eq!(ledger.recover().await.unwrap().n_webhooks, 1);
    let mut claimed = vec![];
    for _ in 0..2 {
        let [lease] =
            <[_; 1]>::try_from(ledger.claim_webhooks(9, 1_000).await.unwrap()).expect("one webhook is due");
        let webhook = &lease.value;
        claimed.push((
            webhook.id.as_u128(),
            lease.attempt,
            webhook.n_counted_attempts,
            webhook.is_retry,
            webhook.expires_at_ms,
        ));
        ledger.record_attempt(&lease, delivered(), Disposition::Delivered).await.unwrap();
    }
    assert_eq!(claimed, [(1, 2, 1, true, Some(610)), (2, 4, 2, true, None)]);
    let [job] = <[_; 1]>::try_from(ledger.claim_jobs(9, 1_000).await.unwrap()).expect("one job is due");
    let content = StoredContent::File { key: "inputs/3".to_owned() };
    assert_eq!(job.value.input, InputRef::Upload { content, name: "a.jpg".to_owned(), bytes: 5 });
    let result = ledger.result(Uuid::from_u128(4), "b.jpg").await.unwrap().expect("the result exists");
    assert_eq!(result.content, StoredContent::File { key: "results/b".to_owned() });
}

/// The migrations up to version 6 of the schema. The later migration 7 renames columns.
const FIRST_SIX_MIGRATIONS: [&str; 6] = [
    include_str!("../../migrations/sqlite/0001_ledger.sql"),
    include_str!("../../migrations/sqlite/0002_watermarks.sql"),
    include_str!("../../migrations/sqlite/0003_destinations.sql"),
    include_str!("../../migrations/sqlite/0004_idempotency.sql"),
    include_str!("../../migrations/sqlite/0005_hosts_and_bulk.sql"),
    include_str!("../../migrations/sqlite/0006_small_files.sql"),
];

/// The SQL that fills a ledger file of schema version 6. It adds a row to every table whose columns migration
/// 7 renames: a webhook that waits for a retry, an upload that waits for its processing, and a bulk resend
/// that has begun.
const SIXTH_VERSION: &str = "
    INSERT INTO accounts VALUES (1, 'default', 0);
    INSERT INTO webhook_secrets VALUES (4, 1, 'whsec_old', 0, NULL), (5, 1, 'whsec_new', 7, NULL);
    INSERT INTO counters (account, n_created, n_scheduled) VALUES (1, 1, 1);
    INSERT INTO requests VALUES
        (1, X'00000000000000000000000000000001', 1, 0, NULL, NULL, NULL, 10, 500, 1, 'a:443', 'https://a/', '', '{}'),
        (2, X'00000000000000000000000000000002', 1, 0, NULL, 'a.jpg', 3, 0, NULL, 1, '[::1]:80', 'http://[::1]/', '', '{}');
    INSERT INTO inputs VALUES (2, X'010203');
    INSERT INTO jobs VALUES (2, 1, 0, 6, NULL, 2);
    INSERT INTO payloads VALUES (1, 100, '{}');
    INSERT INTO webhooks (no, account, created_ms, status, host) VALUES
        (1, 1, 0, 'scheduled', 'a'), (2, 1, 0, 'created', '[::1]');
    INSERT INTO destinations (no, account, authority, send_limit, n_failures, address, is_crowded, served_ms,
                              retry_due_ms, retry_ready_ms)
    VALUES (9, 1, 'a:443', 4, 1, '203.0.113.7', 0, 110, 200, 200);
    INSERT INTO webhook_queue VALUES (1, 1, 9, 1, 200, 'retry_after', 610, 3, NULL, 2, 1);
    INSERT INTO attempts (no, number, fence, started_ms, duration_ms, outcome, retry_after_ms) VALUES
        (1, 2, 3, 110, 5, 'rejected', 90);
    INSERT INTO bulk_resends VALUES (8, 1, 50, 'failed', NULL, 0, 10, 0, 60, 7, 60, 12, 5, 1, 900, NULL);
    PRAGMA application_id = 0x5058564e;
    PRAGMA user_version = 6;";

/// Returns the rows of every table, without the names of the columns.
fn rows(path: &Path) -> Vec<(String, Vec<Vec<rusqlite::types::Value>>)> {
    let connection = Connection::open(path).unwrap();
    let mut names =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows_of = |name: &String| {
        let mut select = connection.prepare(&format!("SELECT * FROM {name} ORDER BY 1, 2")).unwrap();
        let n_columns = select.column_count();
        let rows =
            select.query_map([], |row| (0..n_columns).map(|column| row.get(column)).collect()).unwrap();
        rows.map(Result::unwrap).collect()
    };
    names.iter().map(|name| (name.clone(), rows_of(name))).collect()
}

#[tokio::test]
async fn the_migration_that_renames_columns_keeps_every_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let connection = Connection::open(&path).unwrap();
    for migration in FIRST_SIX_MIGRATIONS {
        connection.execute_batch(migration).unwrap();
    }
    connection.execute_batch(SIXTH_VERSION).unwrap();
    drop(connection);
    let before = rows(&path);
    let ledger = Ledger::open(Store::Sqlite { path: path.clone() }, Clock::manual(300)).await.unwrap();
    // Later migrations have added tables, and columns, which follow the columns of version 6.
    let mut all_after: HashMap<_, _> = rows(&path).into_iter().collect();
    for (name, before) in before {
        let after = all_after.remove(&name).expect("no table was removed");
        assert_eq!(after.len(), before.len(), "{name}");
        for (after, before) in after.iter().zip(before) {
            assert!(after.starts_with(&before), "{name}: {after:?} begins with {before:?}");
        }
    }

    let account = ledger.account(1).await.unwrap().expect("the account exists");
    let secrets: Vec<_> = account.webhook_secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, ["whsec_new", "whsec_old"]);
    let record = ledger.webhook(1, Uuid::from_u128(1)).await.unwrap().expect("the webhook exists");
    assert_eq!((record.attempts.len(), record.attempts[0].attempt.retry_after_ms), (1, Some(90)));
    let next = record.next_attempt.expect("the webhook is scheduled");
    assert_eq!((next.due_ms, next.due_reason), (200, DueReason::RetryAfter));
    let bulk = ledger.bulk_resend(1, 8).await.unwrap().expect("the bulk resend exists");
    assert_eq!((bulk.n_matched, bulk.n_resent, bulk.n_skipped, bulk.ended_ms), (12, 5, 1, None));

    let [webhook] =
        <[_; 1]>::try_from(ledger.claim_webhooks(9, 1_000).await.unwrap()).expect("one webhook is due");
    assert_eq!((webhook.attempt, webhook.fence, webhook.value.n_counted_attempts), (3, 4, 1));
    assert_eq!((webhook.value.authority.as_str(), webhook.value.expires_at_ms), ("a:443", Some(610)));
    let [job] = <[_; 1]>::try_from(ledger.claim_jobs(9, 1_000).await.unwrap()).expect("one job is due");
    assert_eq!((job.fence, job.value.n_crashes), (7, 2));
    let content = StoredContent::Inline(Bytes::from_static(&[1, 2, 3]));
    assert_eq!(job.value.input, InputRef::Upload { content, name: "a.jpg".to_owned(), bytes: 3 });
    ledger.close().await;
    assert_eq!(pragma(&path, "user_version"), "9");
}
