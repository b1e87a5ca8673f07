//! Tests of a full disk. The ledger must refuse new work, keep every change that it has confirmed, and accept
//! work again when space is free again. The tests limit the number of pages of the database. When SQLite
//! reaches this limit, it fails in the same way as on a full disk.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::connection::{Role, create, open};
use super::migrate::migrate;
use super::{Database, DueTimes, start};
use crate::clock::Clock;
use crate::destination::DeliveryLimits;
use crate::error::Error;
use crate::model::account::{NewKey, UsageDelta};
use crate::model::authority::Authority;
use crate::model::request::{InputRef, JobOutcome, NewRequest, NewWebhook};
use crate::model::webhook::{Attempt, Disposition, FailureReason, Outcome, Timings};
use crate::sql::jobs::FinishedJob;
use crate::sql::reports::{RecordEffect, Report};
use crate::sql::{self, Tx};

const MAX_PAGES: i64 = 120;

/// Opens a database of at most [`MAX_PAGES`] pages.
fn small_database(path: &Path, clock: &Clock) -> Database {
    create(path).unwrap();
    let mut connection = open(path, Role::Writer).unwrap();
    migrate(&mut connection, path).unwrap();
    connection.pragma_update(None, "max_page_count", MAX_PAGES).unwrap();
    start(path, connection, clock, Arc::new(DueTimes::unknown())).unwrap()
}

async fn write<T: Send + 'static>(
    database: &Database,
    run: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let limits = DeliveryLimits { per_authority_start: 10, ..DeliveryLimits::default() };
    database.write(limits, run).await
}

async fn add_account(database: &Database) -> i64 {
    let new = NewKey {
        sha256: [0; 32],
        prefix: String::new(),
        label: String::new(),
        webhook_secret: String::new(),
    };
    write(database, move |tx| sql::accounts::create_key(tx, &new)).await.unwrap().account
}

async fn accept(database: &Database, account: i64, id: Uuid) -> Result<(), Error> {
    let webhook = NewWebhook {
        url: String::new(),
        authority: Authority::new("receiver.example", 443),
        delay_ms: 0,
        expires_ms: None,
        retry: true,
        headers: vec![],
    };
    let new = NewRequest { id, account, spec: "x".repeat(3_000), input: InputRef::Url, webhook };
    write(database, move |tx| sql::single(tx, sql::accept::accept, new.clone())).await
}

async fn unfinished(database: &Database, ids: Vec<Uuid>) -> Vec<Uuid> {
    database.read(DeliveryLimits::default(), move |tx| sql::jobs::unfinished(tx, &ids)).await.unwrap()
}

fn empty_outcome() -> JobOutcome {
    JobOutcome { payload: String::new(), usage: UsageDelta::default(), result: None, redacted_spec: None }
}

/// Ends ten jobs and their webhooks, and deletes them, so that SQLite can use their pages again.
async fn free_pages(database: &Database, clock: &Clock) {
    write(database, |tx| {
        for lease in sql::jobs::claim(tx, None, 10, 1_000)? {
            sql::single(tx, sql::jobs::finish, FinishedJob::new(&lease, empty_outcome()))?;
        }
        for lease in sql::claims::claim(tx, None, 10.into(), 1_000)?.leases {
            sql::reports::abandon(tx, &lease.key(), FailureReason::Expired)?;
        }
        Ok(())
    })
    .await
    .unwrap();
    clock.advance(1);
    let now_ms = clock.now_ms();
    assert_eq!(write(database, move |tx| sql::history::sweep(tx, now_ms, 100)).await.unwrap(), 10);
}

#[tokio::test]
async fn on_a_full_disk_the_ledger_refuses_new_requests_until_space_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(0);
    let database = small_database(&directory.path().join("ledger.db"), &clock);
    let account = add_account(&database).await;
    let mut accepted = vec![];
    let refused = loop {
        let id = Uuid::new_v4();
        match accept(&database, account, id).await {
            Ok(()) => accepted.push(id),
            Err(error) => break (id, error),
        }
        assert!(accepted.len() < 1_000, "the disk never became full");
    };
    assert!(matches!(refused.1, Error::Busy), "{:?}", refused.1);
    assert_eq!(unfinished(&database, accepted.clone()).await, accepted, "accepted requests are stored");
    assert!(unfinished(&database, vec![refused.0]).await.is_empty(), "the refused request is not stored");

    // Three requests are accepted at the same time. Afterwards the ledger must contain exactly those requests
    // that were answered with success.
    let ids: [Uuid; 3] = std::array::from_fn(|_| Uuid::new_v4());
    let (a, b, c) = tokio::join!(
        accept(&database, account, ids[0]),
        accept(&database, account, ids[1]),
        accept(&database, account, ids[2])
    );
    for (id, answer) in ids.into_iter().zip([a, b, c]) {
        assert_eq!(unfinished(&database, vec![id]).await.len(), usize::from(answer.is_ok()));
    }

    free_pages(&database, &clock).await;
    accept(&database, account, Uuid::new_v4()).await.unwrap();
}

/// The report of an attempt fails because the disk is full, and changes nothing. The holder of the lease can
/// therefore report the attempt again. In this test, the second report has fewer bytes, so that it fits.
#[tokio::test]
async fn a_lease_stays_valid_when_the_report_of_an_attempt_fails_because_the_disk_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(0);
    let database = small_database(&directory.path().join("ledger.db"), &clock);
    let account = add_account(&database).await;
    accept(&database, account, Uuid::new_v4()).await.unwrap();
    let key = write(&database, |tx| {
        let lease = sql::jobs::claim(tx, None, 1, 1_000)?.remove(0);
        sql::single(tx, sql::jobs::finish, FinishedJob::new(&lease, empty_outcome()))?;
        Ok(sql::claims::claim(tx, None, 1.into(), 1_000)?.leases.remove(0).key())
    })
    .await
    .unwrap();
    while accept(&database, account, Uuid::new_v4()).await.is_ok() {}
    let attempt = Attempt {
        started_ms: 0,
        duration_ms: 1,
        outcome: Outcome::Delivered,
        status: Some(200),
        address: None,
        timings: Timings::default(),
        response: Some("x".repeat(50_000)),
        retry_after_ms: None,
    };
    let record = |attempt: Attempt| {
        let report = Report { lease: key, attempt, disposition: Disposition::Delivered };
        write(&database, move |tx| sql::single(tx, sql::reports::record, report.clone()))
    };
    let refused = record(attempt.clone()).await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    let short = Attempt { response: None, ..attempt };
    assert!(matches!(record(short).await, Ok(RecordEffect::Applied(_))));
}

/// After a failed flush, the content of the disk is unknown. Therefore neither writes nor reads may succeed.
#[tokio::test]
async fn after_a_failed_flush_to_disk_every_operation_of_the_ledger_fails() {
    let directory = tempfile::tempdir().unwrap();
    let database = small_database(&directory.path().join("ledger.db"), &Clock::manual(0));
    let account = add_account(&database).await;
    database.shared.poison();
    assert!(database.is_poisoned());
    assert!(matches!(accept(&database, account, Uuid::new_v4()).await, Err(Error::Poisoned)));
    let read = database.read(DeliveryLimits::default(), |tx| sql::jobs::unfinished(tx, &[])).await;
    assert!(matches!(read, Err(Error::Poisoned)), "{read:?}");
}
