//! Tests of the check of a ledger, on ledgers that a server has worked with and on ledgers that the test
//! damages.

use pixaven_ledger::{Clock, Error, Ledger, Store, check_ledger};
use rusqlite::Connection;

use crate::fixture::Fixture;
use crate::worked::{violations, work};

const N_REQUESTS: u32 = 48;

/// Statements that break one rule each, and a part of the text that the check must show. The statements work
/// in every database. `{created}` and the other words in braces stand for the numbers of webhooks.
const DAMAGES: &[(&str, &str)] = &[
    ("UPDATE counters SET n_failed = n_failed + 7", "the counter of failed webhooks is"),
    ("UPDATE destinations SET n_leased = n_leased + 1", "leased webhooks, and there are"),
    ("UPDATE destinations SET first_due_ms = 5 WHERE first_due_ms IS NOT NULL", "of first attempts instead of"),
    ("UPDATE destinations SET retry_due_ms = NULL", "of retries instead of"),
    (
        "UPDATE destinations SET n_leased = 0, first_ready_ms = NULL, retry_ready_ms = NULL",
        "no claim will find it",
    ),
    ("UPDATE destinations SET first_ready_ms = 1", "is ready before its webhooks are due"),
    ("UPDATE webhook_queue SET is_last_chance = 1 WHERE lease_until_ms IS NULL", "with a last chance"),
    ("UPDATE destinations SET authority = 'other.example:' || seq", "not the destination of its request"),
    ("UPDATE requests SET created_ms = created_ms + 1", "name different accounts or times"),
    ("UPDATE jobs SET account = account + 1", "name different accounts"),
    ("UPDATE requests SET input_key = 'inputs/x' WHERE input_bytes IS NOT NULL", "neither the bytes nor the file"),
    ("UPDATE requests SET input_bytes = 99 WHERE input_bytes IS NOT NULL", "bytes, and its request says 99"),
    ("UPDATE results SET bytes = 99 WHERE content IS NOT NULL", "bytes, and its row says 99"),
    ("UPDATE bulk_resends SET ended_ms = 9", "is due and has ended"),
    ("UPDATE webhook_queue SET fence = fence + 1", "is leased, but has no open attempt"),
    ("UPDATE webhook_queue SET lease_until_ms = NULL WHERE lease_until_ms IS NOT NULL", "is open, but its webhook"),
    ("UPDATE webhook_queue SET lease_until_ms = 9", "is leased, but its status is scheduled"),
    ("UPDATE webhooks SET status = 'delivered' WHERE status = 'dispatched'", "its status is delivered"),
    ("UPDATE webhook_queue SET lease_until_ms = NULL", "waits in the queue, but its status is delivered"),
    ("UPDATE webhooks SET status = 'failed' WHERE status = 'created'", "has no webhook that is created"),
    ("UPDATE webhooks SET status = 'created' WHERE status = 'failed'", "is created, but has no job"),
    ("UPDATE webhook_queue SET destination = 999", "the destination 999, which does not exist"),
    ("DELETE FROM payloads", "is queued, but has no payload"),
    ("DELETE FROM webhook_queue", "is scheduled, but is not in the queue"),
    ("UPDATE webhooks SET status = 'delivered' WHERE status = 'scheduled'", "is delivered, but has no payload"),
    ("DELETE FROM jobs", "the bytes of the upload"),
    ("INSERT INTO payloads (seq, finished_ms, payload) VALUES (9999, 1, '')", "the payload 9999 has no webhook"),
    (
        "INSERT INTO attempts (seq, number, fence, started_ms, outcome) VALUES (9999, 1, 1, 1, 'dns')",
        "attempt 1 of webhook 9999 has no webhook",
    ),
    (
        "INSERT INTO webhook_queue (seq, account, destination, lane, path, due_ms, due_reason, fence, attempt,
                                    n_counted_attempts)
         VALUES (9999, 1, 1, 0, 0, 1, 'delay', 0, 0, 0)",
        "webhook 9999 is queued, but has no request",
    ),
    ("DELETE FROM webhooks", "has no webhook"),
    (
        "INSERT INTO webhooks (seq, account, created_ms, status, host) VALUES (9999, 1, 1, 'failed', '')",
        "webhook 9999 has no request",
    ),
    ("DELETE FROM counters", "account 1 has no counters"),
    ("UPDATE results SET account = 77", "the table results has rows of account 77, which does not exist"),
];

/// Lets a server work with the ledger, and checks that the check finds nothing.
async fn sound_ledger(f: Option<Fixture>) -> Option<Fixture> {
    let f = f?.unlimited();
    assert_eq!(violations(f.store.clone()).await, Vec::<String>::new(), "a new ledger is sound");
    work(&f, N_REQUESTS).await;
    assert_eq!(violations(f.store.clone()).await, Vec::<String>::new(), "the ledger is in use");
    Some(f)
}

#[tokio::test]
async fn the_check_finds_nothing_in_an_sqlite_ledger_in_use_and_each_damage_in_a_damaged_ledger() {
    let Some(f) = sound_ledger(crate::sqlite::fresh().await).await else { return };
    f.ledger.close().await;
    let Store::Sqlite { path } = &f.store else { panic!("the ledger is a file") };
    for (damage, expected) in DAMAGES {
        Connection::open(path).unwrap().execute(damage, []).unwrap();
        let found = violations(f.store.clone()).await;
        assert!(found.iter().any(|text| text.contains(expected)), "{damage}: {found:#?}");
    }
}

#[tokio::test]
async fn the_check_finds_nothing_in_a_postgresql_ledger_in_use_and_each_damage_in_a_damaged_ledger() {
    let Some(f) = sound_ledger(crate::postgres::fresh().await).await else { return };
    let Store::Postgres { url } = &f.store else { panic!("the ledger is a server") };
    let (client, _connection) = crate::postgres_faults::connect(url).await;
    for (damage, expected) in DAMAGES {
        client.batch_execute(damage).await.unwrap();
        let found = violations(f.store.clone()).await;
        assert!(found.iter().any(|text| text.contains(expected)), "{damage}: {found:#?}");
    }
}

#[tokio::test]
async fn a_violation_names_the_id_and_the_number_of_the_webhook() {
    for f in [crate::sqlite::fresh().await, crate::postgres::fresh().await] {
        let Some(f) = f else { continue };
        let id = f.scheduled(crate::fixture::webhook()).await;
        match &f.store {
            Store::Sqlite { path } => {
                Connection::open(path).unwrap().execute("DELETE FROM webhook_queue", []).unwrap();
            }
            Store::Postgres { url } => {
                let (client, _connection) = crate::postgres_faults::connect(url).await;
                client.batch_execute("DELETE FROM webhook_queue").await.unwrap();
            }
        }
        let found = violations(f.store.clone()).await;
        assert!(
            found.contains(&format!("webhook 1 ({id}) is scheduled, but is not in the queue")),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn a_damaged_sqlite_file_is_a_violation() {
    let f = crate::sqlite::fresh().await.unwrap();
    f.scheduled(crate::fixture::webhook()).await;
    f.ledger.close().await;
    let Store::Sqlite { path } = &f.store else { panic!("the ledger is a file") };
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "writable_schema", true).unwrap();
    // The rows of the index are then those of another index.
    connection
        .execute_batch(
            "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'jobs_leased')
             WHERE name = 'webhooks_listed'",
        )
        .unwrap();
    drop(connection);
    let found = violations(f.store.clone()).await;
    assert!(found.iter().any(|text| text.starts_with("the file of the database is damaged")), "{found:?}");
}

#[tokio::test]
async fn the_check_migrates_nothing_and_refuses_an_older_schema() {
    let f = crate::sqlite::fresh().await.unwrap();
    f.ledger.close().await;
    let Store::Sqlite { path } = &f.store else { panic!("the ledger is a file") };
    Connection::open(path).unwrap().pragma_update(None, "user_version", 5).unwrap();
    let refused = check_ledger(f.store.clone(), |_| {}).await;
    assert!(matches!(refused, Err(Error::TooOld { found: 5, .. })), "{refused:?}");
    let Some(url) = tokio::task::spawn_blocking(pixaven_testkit::postgres::new_database).await.unwrap()
    else {
        return;
    };
    let store = Store::Postgres { url };
    let refused = check_ledger(store.clone(), |_| {}).await;
    assert!(matches!(refused, Err(Error::TooOld { found: 0, .. })), "{refused:?}");
    Ledger::open(store, Clock::System).await.unwrap().close().await;
}
