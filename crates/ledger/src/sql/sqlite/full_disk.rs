//! A full disk refuses new work, keeps what it answered, and recovers. The limit on the pages of a database makes
//! SQLite fail as it does when the disk has none left.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::connection::{Role, create, open};
use super::migrate::migrate;
use super::{Database, Dues};
use crate::clock::Clock;
use crate::destination::Fairness;
use crate::error::Error;
use crate::model::account::{NewKey, UsageDelta};
use crate::model::request::{InputRef, JobDone, NewRequest, NewWebhook};
use crate::model::webhook::{Attempt, Next, Outcome, Timings};
use crate::sql;

const N_PAGES: i64 = 120;

fn small(path: &Path, clock: &Clock) -> Database {
    create(path).unwrap();
    let mut connection = open(path, Role::Writer).unwrap();
    migrate(&mut connection, path).unwrap();
    connection.pragma_update(None, "max_page_count", N_PAGES).unwrap();
    Database::start(path, connection, clock, Arc::new(Dues::unknown())).unwrap()
}

async fn add_account(database: &Database) -> i64 {
    let new = NewKey {
        sha256: [0; 32],
        prefix: String::new(),
        label: String::new(),
        webhook_secret: String::new(),
    };
    database.write(move |tx| sql::accounts::create_key(tx, &new)).await.unwrap().account
}

async fn accept(database: &Database, account: i64, id: Uuid) -> Result<(), Error> {
    let webhook = NewWebhook {
        url: String::new(),
        authority: String::new(),
        delay_ms: 0,
        expires_ms: None,
        retry: true,
        headers: vec![],
    };
    let new = NewRequest { id, account, spec: "x".repeat(3_000), input: InputRef::Url, webhook };
    database.write(move |tx| sql::jobs::accept(tx, &new)).await
}

async fn unfinished(database: &Database, ids: Vec<Uuid>) -> Vec<Uuid> {
    database.read(move |tx| sql::jobs::unfinished(tx, &ids)).await.unwrap()
}

/// Ends all jobs at once and forgets them, which gives their pages back.
async fn make_room(database: &Database, clock: &Clock) {
    database
        .write(|tx| {
            let fairness = Fairness { per_authority: 10, ..Fairness::default() };
            for lease in sql::jobs::claim(tx, 10, 1_000)? {
                let done = JobDone { payload: String::new(), usage: UsageDelta::default(), result: None };
                sql::jobs::finish(tx, &lease, &done, &fairness)?;
            }
            for lease in sql::claims::claim(tx, 10.into(), 1_000, &fairness)? {
                sql::webhooks::abandon(tx, &lease.held(), String::new(), &fairness)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    clock.advance(1);
    let now_ms = clock.now_ms();
    assert_eq!(database.write(move |tx| sql::history::sweep(tx, now_ms, 100)).await.unwrap(), 10);
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(0);
    let database = small(&directory.path().join("ledger.db"), &clock);
    let account = add_account(&database).await;
    let mut accepted = vec![];
    let refused = loop {
        let id = Uuid::new_v4();
        match accept(&database, account, id).await {
            Ok(()) => accepted.push(id),
            Err(error) => break (id, error),
        }
        assert!(accepted.len() < 1_000, "the disk never got full");
    };
    assert!(matches!(refused.1, Error::Busy), "{:?}", refused.1);
    assert_eq!(unfinished(&database, accepted.clone()).await, accepted, "what was answered is there");
    assert!(unfinished(&database, vec![refused.0]).await.is_empty(), "what was refused is not");

    // Several in one batch: whoever is told of success finds it.
    let ids: [Uuid; 3] = std::array::from_fn(|_| Uuid::new_v4());
    let (a, b, c) = tokio::join!(
        accept(&database, account, ids[0]),
        accept(&database, account, ids[1]),
        accept(&database, account, ids[2])
    );
    for (id, answer) in ids.into_iter().zip([a, b, c]) {
        assert_eq!(unfinished(&database, vec![id]).await.len(), usize::from(answer.is_ok()));
    }

    make_room(&database, &clock).await;
    accept(&database, account, Uuid::new_v4()).await.unwrap();
}

/// What came of an attempt is told once more when there is room; until then nothing has changed.
#[tokio::test]
async fn a_full_disk_costs_no_lease() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(0);
    let database = small(&directory.path().join("ledger.db"), &clock);
    let account = add_account(&database).await;
    accept(&database, account, Uuid::new_v4()).await.unwrap();
    let held = database
        .write(|tx| {
            let fairness = Fairness::default();
            let job = sql::jobs::claim(tx, 1, 1_000)?.remove(0);
            let done = JobDone { payload: String::new(), usage: UsageDelta::default(), result: None };
            sql::jobs::finish(tx, &job, &done, &fairness)?;
            Ok(sql::claims::claim(tx, 1.into(), 1_000, &fairness)?.remove(0).held())
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
        database.write(move |tx| {
            sql::webhooks::record(tx, &held, &attempt, Next::Delivered, &Fairness::default())
        })
    };
    let refused = record(attempt.clone()).await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    let short = Attempt { response: None, ..attempt };
    assert!(matches!(record(short).await, Ok(sql::webhooks::Recorded::InTime)));
}

/// Nobody knows what is on the disk then: neither what was written last nor what is read is true for sure.
#[tokio::test]
async fn a_failed_flush_ends_everything() {
    let directory = tempfile::tempdir().unwrap();
    let database = small(&directory.path().join("ledger.db"), &Clock::manual(0));
    let account = add_account(&database).await;
    database.shared.poison();
    assert!(database.is_poisoned());
    assert!(matches!(accept(&database, account, Uuid::new_v4()).await, Err(Error::Poisoned)));
    let read = database.read(|tx| sql::jobs::unfinished(tx, &[])).await;
    assert!(matches!(read, Err(Error::Poisoned)), "{read:?}");
}
