//! Tests of several processes that share one ledger on PostgreSQL. Each process has a ledger of its own here.

use std::collections::HashMap;

use std::time::Duration;

use pixaven_ledger::{
    AddWatermarkOutcome, Clock, Disposition, Error, Heartbeat, IdempotencyStatus, IdempotentRequest, Ledger,
    NewNode, Outcome, WatermarkQuota, WebhookStatus,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{
    Fixture, LEASE_MS, START_MS, delivered, job_outcome, request, watermark, webhook, webhook_to,
};

const N_NODES: usize = 3;

const NODE_LEASE: Duration = Duration::from_secs(15);

fn node(name: &str) -> NewNode {
    NewNode { name: name.to_owned(), version: "1".to_owned(), roles: "api,jobs,dispatch".to_owned() }
}

/// Sends so many heartbeats that the node may judge others.
async fn steady(ledger: &Ledger) {
    for _ in 0..3 {
        assert_quiet(&ledger.heartbeat().await.unwrap());
    }
}

/// Checks that a heartbeat came in time and found no dead node.
fn assert_quiet(heartbeat: &Heartbeat) {
    assert!(!heartbeat.has_rejoined && !heartbeat.was_late && heartbeat.dead.is_empty(), "{heartbeat:?}");
}

/// Opens a ledger, and the ledgers of two further processes.
async fn nodes() -> Option<(Fixture, Vec<Ledger>)> {
    let f = crate::postgres::fresh().await?;
    let mut nodes = vec![f.ledger.clone()];
    for _ in 1..N_NODES {
        nodes.push(Ledger::open(f.store.clone(), f.clock.clone()).await.unwrap());
    }
    Some((f, nodes))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_work_at_the_same_time_send_each_webhook_once_and_keep_all_counts_right() {
    const N_REQUESTS: usize = 150;
    let Some((f, nodes)) = nodes().await else { return };
    let mut workers = JoinSet::new();
    for node in &nodes {
        let (ledger, account) = (node.clone(), f.account);
        workers.spawn(async move {
            for n in 0..N_REQUESTS / N_NODES {
                let authority = format!("receiver-{}.example:443", n % 4);
                ledger.accept(request(account, webhook_to(&authority))).await.unwrap();
            }
        });
        for _ in 0..2 {
            let ledger = node.clone();
            workers.spawn(async move {
                let mut n_idle = 0;
                while n_idle < 50 {
                    let jobs = ledger.claim_jobs(4, LEASE_MS).await.unwrap();
                    let webhooks = ledger.claim_webhooks(8, LEASE_MS).await.unwrap();
                    n_idle = if jobs.is_empty() && webhooks.is_empty() { n_idle + 1 } else { 0 };
                    for job in jobs {
                        let outcome = job_outcome(job.value.id);
                        ledger.finish_job(&job, outcome).await.unwrap();
                    }
                    for lease in webhooks {
                        ledger.record_attempt(&lease, delivered(), Disposition::Delivered).await.unwrap();
                    }
                }
            });
        }
    }
    workers.join_all().await;
    // A worker may have stopped for lack of work before another process had accepted all of its requests.
    for job in f.ledger.claim_jobs(1_000, LEASE_MS).await.unwrap() {
        let outcome = job_outcome(job.value.id);
        f.ledger.finish_job(&job, outcome).await.unwrap();
    }
    loop {
        let webhooks = nodes[1].claim_webhooks(100, LEASE_MS).await.unwrap();
        if webhooks.is_empty() {
            break;
        }
        for lease in webhooks {
            nodes[1].record_attempt(&lease, delivered(), Disposition::Delivered).await.unwrap();
        }
    }
    assert_eq!(f.counts().await, [0, 0, 0, N_REQUESTS as u64, 0]);
    // Every destination has got its capacity back: as many webhooks as its limit allows can be claimed.
    f.scheduled(webhook_to("receiver-1.example:443")).await;
    assert_eq!(f.ledger.claim_webhooks(1, LEASE_MS).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_processes_that_begin_the_same_idempotent_request_only_one_may_process_it() {
    let Some((f, nodes)) = nodes().await else { return };
    for round in 0..20 {
        let begin = |node: &Ledger| {
            let (node, account) = (node.clone(), f.account);
            let key = format!("key {round}");
            async move {
                let request = IdempotentRequest { account, key, sha256: [1; 32], id: Uuid::new_v4() };
                node.begin_idempotent(&request).await.unwrap()
            }
        };
        let (one, other) = tokio::join!(begin(&nodes[0]), begin(&nodes[1]));
        let is_new = |status: &IdempotencyStatus| matches!(status, IdempotencyStatus::New);
        assert!(is_new(&one) != is_new(&other), "{one:?} and {other:?}");
    }
}

#[tokio::test]
async fn processes_that_add_watermarks_at_the_same_time_do_not_exceed_the_quota_of_the_account() {
    let Some((f, nodes)) = nodes().await else { return };
    let mut callers = JoinSet::new();
    for n in 0..30 {
        let node = nodes[n % N_NODES].clone();
        let new = watermark(&format!("watermark{n}"), &f);
        callers.spawn(async move {
            node.add_watermark(new, WatermarkQuota { count: 7, bytes: 100_000 }).await.unwrap()
        });
    }
    let outcomes = callers.join_all().await;
    let n_added = outcomes.iter().filter(|outcome| matches!(outcome, AddWatermarkOutcome::Added)).count();
    assert_eq!(n_added, 7);
}

#[tokio::test]
async fn processes_that_claim_at_the_same_time_keep_the_limit_of_a_destination() {
    let Some((f, nodes)) = nodes().await else { return };
    for _ in 0..40 {
        f.scheduled(webhook()).await;
    }
    let mut callers = JoinSet::new();
    for n in 0..12 {
        let node = nodes[n % N_NODES].clone();
        callers.spawn(async move { node.claim_webhooks(10, LEASE_MS).await.unwrap() });
    }
    let claims = callers.join_all().await;
    let mut n_claims = HashMap::new();
    for lease in claims.iter().flatten() {
        *n_claims.entry(lease.value.id).or_insert(0) += 1;
    }
    // The limit of a new destination is 8.
    assert_eq!(n_claims.len(), 8);
    assert!(n_claims.values().all(|n| *n == 1));
    assert_eq!(f.status(claims.iter().flatten().next().unwrap().value.id).await, WebhookStatus::Dispatched);
}

#[tokio::test]
async fn two_processes_that_open_an_empty_database_at_the_same_time_create_its_schema_once() {
    let Some(url) = tokio::task::spawn_blocking(pixaven_testkit::postgres::new_database).await.unwrap()
    else {
        return;
    };
    let open = || {
        let store = pixaven_ledger::Store::Postgres { url: url.clone() };
        Ledger::open(store, Clock::manual(START_MS))
    };
    let (one, other) = tokio::join!(open(), open());
    one.unwrap().health().await.unwrap();
    other.unwrap().health().await.unwrap();
}

#[tokio::test]
async fn the_work_of_a_node_without_heartbeats_goes_on_elsewhere_and_its_late_writes_are_refused() {
    let Some((f, nodes)) = nodes().await else { return };
    let [dying, living, _] = &nodes[..] else { panic!("there are three nodes") };
    dying.join_nodes(node("dying"), NODE_LEASE).await.unwrap();
    living.join_nodes(node("living"), NODE_LEASE).await.unwrap();
    let sent = f.scheduled(webhook()).await;
    let processed = f.accept(webhook()).await;
    let job = dying.claim_jobs(1, 3_600_000).await.unwrap().pop().unwrap();
    let webhook = dying.claim_webhooks(1, 3_600_000).await.unwrap().pop().unwrap();
    steady(living).await;

    f.clock.advance(14_000);
    assert_quiet(&living.heartbeat().await.unwrap());
    f.clock.advance(2_000);
    let heartbeat = living.heartbeat().await.unwrap();
    assert_eq!(heartbeat.dead.iter().map(|dead| &dead.node.name[..]).collect::<Vec<_>>(), ["dying"]);
    assert_eq!(heartbeat.n_returned, 2);
    assert_eq!(living.nodes().await.unwrap().len(), 1);

    let elsewhere = living.claim_jobs(9, LEASE_MS).await.unwrap();
    assert_eq!(elsewhere.iter().map(|job| job.value.id).collect::<Vec<_>>(), [processed]);
    assert_eq!(living.claim_webhooks(9, LEASE_MS).await.unwrap().pop().unwrap().attempt, 2);
    let outcome = job_outcome(processed);
    assert!(matches!(dying.finish_job(&job, outcome).await, Err(Error::LostLease)));
    let recorded = dying.record_attempt(&webhook, delivered(), Disposition::Delivered).await;
    assert!(matches!(recorded, Err(Error::LostLease)));
    assert_eq!(dying.stats().n_refused, 2);
    let record = f.ledger.webhook(f.account, sent).await.unwrap().unwrap();
    assert_eq!(record.attempts[0].attempt.outcome, Outcome::Delivered, "the late report is in the history");

    assert!(dying.heartbeat().await.unwrap().has_rejoined);
    assert_eq!(living.nodes().await.unwrap().len(), 2);
}

#[tokio::test]
async fn after_the_database_was_away_from_all_nodes_no_node_finds_another_one_dead() {
    let Some((f, nodes)) = nodes().await else { return };
    for ledger in &nodes[..2] {
        ledger.join_nodes(node("node"), NODE_LEASE).await.unwrap();
        steady(ledger).await;
    }
    f.clock.advance(60_000);
    for _ in 0..3 {
        assert!(nodes[0].heartbeat().await.unwrap().dead.is_empty());
    }
    let late = nodes[1].heartbeat().await.unwrap();
    assert!(late.was_late && !late.has_rejoined);
    assert!(nodes[0].heartbeat().await.unwrap().dead.is_empty());
}

#[tokio::test]
async fn a_node_that_leaves_gives_its_work_back_at_once() {
    let Some((f, nodes)) = nodes().await else { return };
    nodes[1].join_nodes(node("leaving"), NODE_LEASE).await.unwrap();
    let id = f.scheduled(webhook()).await;
    assert_eq!(nodes[1].claim_webhooks(9, LEASE_MS).await.unwrap().len(), 1);
    nodes[1].leave_nodes().await.unwrap();
    assert!(f.ledger.nodes().await.unwrap().is_empty());
    assert_eq!(f.claim_webhook().await.value.id, id);
}

#[tokio::test]
async fn the_idempotency_key_of_a_request_on_a_dead_node_can_be_used_again() {
    let Some((f, nodes)) = nodes().await else { return };
    nodes[0].join_nodes(node("dying"), NODE_LEASE).await.unwrap();
    nodes[1].join_nodes(node("living"), NODE_LEASE).await.unwrap();
    steady(&nodes[1]).await;
    let begin = |id| IdempotentRequest { account: f.account, key: "key".to_owned(), sha256: [1; 32], id };
    let first = begin(Uuid::new_v4());
    assert_eq!(nodes[0].begin_idempotent(&first).await.unwrap(), IdempotencyStatus::New);
    f.clock.advance(16_000);
    let again = begin(Uuid::new_v4());
    assert_eq!(nodes[1].begin_idempotent(&again).await.unwrap(), IdempotencyStatus::InProgress);
    steady_until_judged(&nodes[1]).await;
    assert_eq!(nodes[1].begin_idempotent(&again).await.unwrap(), IdempotencyStatus::New);
}

/// Sends heartbeats until the node has found another node dead.
async fn steady_until_judged(ledger: &Ledger) {
    for _ in 0..8 {
        if !ledger.heartbeat().await.unwrap().dead.is_empty() {
            return;
        }
    }
    panic!("no node was found dead");
}

#[tokio::test]
async fn only_one_process_gets_the_turn_of_an_interval() {
    let Some((f, nodes)) = nodes().await else { return };
    for _ in 0..2 {
        let mut n_turns = 0;
        for ledger in &nodes {
            n_turns += u32::from(ledger.take_turn("sweep", 1_000).await.unwrap());
        }
        assert_eq!(n_turns, 1);
        f.clock.advance(1_000);
    }
}

#[tokio::test]
async fn a_driver_wakes_as_soon_as_another_node_commits_due_work() {
    let Some((f, nodes)) = nodes().await else { return };
    nodes[0].join_nodes(node("accepts"), NODE_LEASE).await.unwrap();
    nodes[1].join_nodes(node("works"), NODE_LEASE).await.unwrap();
    let mut due = nodes[1].jobs_due();
    // The time of this runtime stands still, because a blocking task runs. The signal therefore fires only for a
    // hint of the other node, and not after a second.
    tokio::time::pause();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let blocking = tokio::task::spawn_blocking(move || ended.recv().unwrap_err());
    for _ in 0..5 {
        assert!(nodes[1].claim_jobs(9, LEASE_MS).await.unwrap().is_empty());
        let id = f.accept(webhook()).await;
        let mut jobs = vec![];
        while jobs.is_empty() {
            due.wait().await;
            jobs = nodes[1].claim_jobs(9, LEASE_MS).await.unwrap();
        }
        assert_eq!(jobs.iter().map(|job| job.value.id).collect::<Vec<_>>(), [id]);
    }
    drop(end);
    blocking.await.unwrap();
}
