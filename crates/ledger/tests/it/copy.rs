//! Tests of the copy of a ledger from SQLite to PostgreSQL.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use pixaven_ledger::{
    CopyError, CopyOutcome, CopyStep, Disposition, Error, Ledger, Store, WebhookQuery, WebhookRecord,
    copy_ledger,
};
use pixaven_testkit::postgres::new_database;

use crate::fixture::{Fixture, LEASE_MS, all_webhooks, delivered, job_outcome, key, request, webhook};
use crate::worked::{N_UNDER_WAY, TABLES, accept, violations, work};

/// A ledger in a file, which a server has worked with, and an empty PostgreSQL database.
struct Move {
    f: Fixture,
    from: PathBuf,
    to: String,
}

impl Move {
    /// Returns `None` if this machine has no PostgreSQL.
    async fn new(n_requests: u32) -> Option<Self> {
        let to = tokio::task::spawn_blocking(new_database).await.unwrap()?;
        let f = crate::sqlite::fresh().await?.unlimited();
        if n_requests > 0 {
            work(&f, n_requests).await;
        }
        let Store::Sqlite { path } = &f.store else { panic!("the ledger is a file") };
        let from = path.clone();
        Some(Self { f, from, to })
    }

    async fn run(&self) -> (Result<CopyOutcome, CopyError>, Vec<CopyStep>) {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&steps);
        let on_step = move |step| sink.lock().unwrap().push(step);
        let ended = copy_ledger(self.from.clone(), self.to.clone(), self.f.clock.clone(), on_step).await;
        let steps = steps.lock().unwrap().clone();
        (ended, steps)
    }

    /// Runs a copy that ends after the first batch of requests, as if its process was killed.
    async fn run_and_interrupt(&self) {
        let (from, to, clock) = (self.from.clone(), self.to.clone(), self.f.clock.clone());
        let ended = copy_ledger(from, to, clock, |step| {
            if is_first_requests(&step) {
                std::panic::resume_unwind(Box::new("interrupted"));
            }
        });
        assert!(matches!(ended.await, Err(CopyError::Target(Error::Closed))));
    }

    /// Starts a copy that stops after the first batch of requests, and goes on when the sender is dropped.
    /// Returns when this batch is committed.
    async fn run_until_first_requests(
        &self,
    ) -> (tokio::task::JoinSet<Result<CopyOutcome, CopyError>>, Sender<()>) {
        let ((stopped, is_stopped), (go_on, stop)) = (channel(), channel());
        let (from, to, clock) = (self.from.clone(), self.to.clone(), self.f.clock.clone());
        let mut copy = tokio::task::JoinSet::new();
        copy.spawn(copy_ledger(from, to, clock, move |step| stop_at_requests(&step, &stopped, &stop)));
        tokio::task::spawn_blocking(move || is_stopped.recv().unwrap()).await.unwrap();
        (copy, go_on)
    }

    async fn open_target(&self) -> Result<Ledger, Error> {
        let store = Store::Postgres { url: self.to.clone() };
        let opened = Ledger::open(store, self.f.clock.clone()).await?;
        Ok(opened.with_delivery_limits(pixaven_ledger::DeliveryLimits {
            capacity: 1_000,
            per_authority_start: 1_000,
            per_address: 1_000,
            ..pixaven_ledger::DeliveryLimits::default()
        }))
    }

    async fn target_violations(&self) -> Vec<String> {
        violations(Store::Postgres { url: self.to.clone() }).await
    }
}

fn is_first_requests(step: &CopyStep) -> bool {
    matches!(step, CopyStep::Copied { table, n_rows: 1_000, .. } if table == "requests")
}

fn stop_at_requests(step: &CopyStep, stopped: &Sender<()>, stop: &Receiver<()>) {
    if is_first_requests(step) {
        stopped.send(()).unwrap();
        // The end of the channel is the sign to go on.
        let _ = stop.recv();
    }
}

/// All webhooks of a ledger with their attempts, as the history shows them.
async fn history(ledger: &Ledger, account: i64) -> Vec<WebhookRecord> {
    let (mut records, mut before) = (Vec::new(), None);
    loop {
        let query = WebhookQuery { before, ..all_webhooks(account) };
        let page = ledger.webhooks(query).await.unwrap();
        for listed in page.webhooks {
            records.push(ledger.webhook(account, listed.id).await.unwrap().unwrap());
        }
        before = page.next_cursor;
        if before.is_none() {
            return records;
        }
    }
}

/// The names of the tables that the copy has compared, and the numbers of their rows.
fn compared(steps: &[CopyStep]) -> Vec<(&str, u64)> {
    let compared = |step| match step {
        &CopyStep::Compared { ref table, digest } => Some((table.as_str(), digest.n_rows)),
        _ => None,
    };
    steps.iter().filter_map(compared).collect()
}

#[tokio::test]
async fn a_copied_ledger_has_the_same_history_and_its_pending_work_goes_on() {
    let Some(m) = Move::new(120).await else { return };
    let (copied, steps) = m.run().await;
    assert_eq!(copied.unwrap(), CopyOutcome::Copied);
    let (n_jobs, n_webhooks) = N_UNDER_WAY;
    assert_eq!(steps[0], CopyStep::Recovered { n_jobs, n_webhooks });
    let compared = compared(&steps);
    assert_eq!(compared.iter().map(|(table, _)| *table).collect::<Vec<_>>(), TABLES);
    assert!(compared.iter().all(|(_, n_rows)| *n_rows > 0), "every table has rows: {compared:?}");
    assert_eq!(m.target_violations().await, Vec::<String>::new());

    let target = m.open_target().await.unwrap();
    let account = m.f.account;
    let mut expected = history(&m.f.ledger, account).await;
    let responses = || expected.iter().flat_map(|record| &record.attempts);
    assert!(responses().any(|attempt| attempt.attempt.response.as_deref() == Some("not\0now")));
    for attempt in expected.iter_mut().flat_map(|record| &mut record.attempts) {
        // PostgreSQL stores no NUL character.
        let response = &mut attempt.attempt.response;
        *response = response.as_ref().map(|text| text.replace('\0', "\u{fffd}"));
    }
    assert_eq!(history(&target, account).await, expected);
    assert_eq!(target.usage(account).await.unwrap(), m.f.ledger.usage(account).await.unwrap());

    // The sequences go on after the largest numbers.
    target.accept(request(account, webhook())).await.unwrap();
    target.create_key(key(9)).await.unwrap();
    m.f.clock.advance(3_600_000);
    let n_jobs = target.usage(account).await.unwrap().webhooks[0].1;
    let jobs = target.claim_jobs(1_000, LEASE_MS).await.unwrap();
    assert_eq!(jobs.len() as u64, n_jobs);
    for job in jobs {
        let outcome = job_outcome(job.value.id);
        target.finish_job(&job, outcome).await.unwrap();
    }
    let mut n_sent = 0;
    loop {
        let leases = target.claim_webhooks(1_000, LEASE_MS).await.unwrap();
        if leases.is_empty() {
            break;
        }
        n_sent += leases.len();
        for lease in leases {
            target.record_attempt(&lease, delivered(), Disposition::Delivered).await.unwrap();
        }
    }
    assert!(n_sent > 60, "the pending webhooks are sent: {n_sent}");
    let left = target.usage(account).await.unwrap().webhooks[..3].iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(left, 0, "nothing is pending");
    assert_eq!(m.target_violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_interrupted_copy_is_continued_and_servers_wait_for_its_end() {
    let Some(m) = Move::new(1_500).await else { return };
    m.run_and_interrupt().await;
    assert!(matches!(m.open_target().await, Err(Error::UnfinishedCopy)));
    let (continued, steps) = m.run().await;
    assert_eq!(continued.unwrap(), CopyOutcome::Copied);
    assert_eq!(steps[1], CopyStep::Continued);
    let first = steps.iter().find(|step| matches!(step, CopyStep::Copied { .. }));
    let table = "requests".to_owned();
    assert!(
        matches!(first, Some(CopyStep::Copied { table: first, n_rows: 1_001.., .. }) if *first == table),
        "the copied rows are skipped: {first:?}"
    );
    assert_eq!(compared(&steps).len(), TABLES.len());
    assert_eq!(m.target_violations().await, Vec::<String>::new());
    assert_eq!(m.open_target().await.unwrap().keys().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_copy_notices_that_another_copy_into_the_same_database_has_overtaken_it() {
    let Some(m) = Move::new(1_500).await else { return };
    let (mut stopped, go_on) = m.run_until_first_requests().await;
    assert_eq!(m.run().await.0.unwrap(), CopyOutcome::Copied);
    drop(go_on);
    let stopped = stopped.join_next().await.unwrap().unwrap();
    assert!(matches!(stopped, Err(CopyError::OtherCopy)), "{stopped:?}");
    assert_eq!(m.target_violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_copy_begins_again_if_its_source_was_used_since_the_interruption() {
    for is_deleted in [false, true] {
        let Some(m) = Move::new(1_500).await else { return };
        m.run_and_interrupt().await;
        if is_deleted {
            assert!(m.f.ledger.sweep_history(i64::MAX, 50).await.unwrap() > 0);
        }
        accept(&m.f, 20).await;
        let (continued, steps) = m.run().await;
        assert_eq!(continued.unwrap(), CopyOutcome::Copied);
        assert!(steps.contains(&CopyStep::BegunAgain), "{steps:?}");
        assert_eq!(m.target_violations().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_finished_copy_can_be_run_again_until_one_of_the_ledgers_is_used() {
    let Some(m) = Move::new(30).await else { return };
    assert_eq!(m.run().await.0.unwrap(), CopyOutcome::Copied);
    let (again, steps) = m.run().await;
    assert_eq!(again.unwrap(), CopyOutcome::AlreadyCopied);
    assert!(!steps.iter().any(|step| matches!(step, CopyStep::Copied { .. })), "{steps:?}");
    m.open_target().await.unwrap().accept(request(m.f.account, webhook())).await.unwrap();
    let (refused, _) = m.run().await;
    assert!(
        matches!(&refused, Err(CopyError::ChangedSinceCopy(table)) if table == "counters"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_rows_of_another_ledger_are_not_touched() {
    let Some(m) = Move::new(0).await else { return };
    m.f.ledger.create_key(key(8)).await.unwrap();
    let other = Store::Postgres { url: m.to.clone() };
    let other = Ledger::open(other, m.f.clock.clone()).await.unwrap();
    other.create_key(key(7)).await.unwrap();
    assert!(matches!(m.run().await.0, Err(CopyError::OtherLedger)));
    assert_eq!(other.keys().await.unwrap().len(), 1);

    let Some(unfinished) = Move::new(1_500).await else { return };
    unfinished.run_and_interrupt().await;
    let source = crate::sqlite::fresh().await.unwrap();
    let different = key(6);
    let Store::Sqlite { path } = &source.store else { panic!("the ledger is a file") };
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute("UPDATE api_keys SET sha256 = ?1", [different.sha256]).unwrap();
    let m = Move { from: path.clone(), to: unfinished.to.clone(), f: source };
    assert!(matches!(m.run().await.0, Err(CopyError::OtherLedger)));
}

#[tokio::test]
async fn a_missing_source_is_an_error_and_is_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("none.db");
    let url = "postgres://localhost/none".to_owned();
    let failed = copy_ledger(from.clone(), url, pixaven_ledger::Clock::System, |_| {}).await;
    assert!(matches!(failed, Err(CopyError::NoSource(path)) if path == from));
    assert!(!from.exists());
}
