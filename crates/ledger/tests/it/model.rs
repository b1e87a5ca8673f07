//! Runs random sequences of operations on the ledger and on a simple model of the ledger in memory. After
//! each operation, the ledger and the model must agree.

mod memory;

use std::future::Future;

use pixaven_ledger::{Disposition, Error, FailureReason, Lease, Outcome, ReleaseReason};
use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

use crate::fixture::{Fixture, all_webhooks, attempt, job_outcome, next_due_ms, request, webhook};
use crate::worked::violations;
use memory::{LeaseKey, Memory};

/// The number of requests that are accepted before the random steps of a sequence begin.
const N_INITIAL_REQUESTS: u32 = 6;

/// One step of a random sequence. An [`Index`] chooses one of the existing leases or webhooks at random.
#[derive(Clone, Debug)]
enum Step {
    Accept { delay_ms: i64 },
    ClaimJobs { limit: u32, lease_ms: i64 },
    RenewJob { held: Index, lease_ms: i64 },
    FinishJob { held: Index },
    ReleaseJob { held: Index, reason: ReleaseReason },
    ClaimWebhooks { limit: u32, lease_ms: i64 },
    Record { held: Index, outcome: Index, followup: Followup },
    ReleaseWebhook { held: Index, after_ms: i64 },
    Abandon { held: Index },
    Resend { webhook: Index },
    Cancel { webhook: Index },
    Advance { by_ms: i64 },
    Recover,
    Sweep { age_ms: i64, limit: u32 },
}

/// The disposition of a recorded attempt, relative to the current time.
#[derive(Clone, Copy, Debug)]
enum Followup {
    Delivered,
    Retry { after_ms: i64 },
    Failed,
}

fn step() -> impl Strategy<Value = Step> {
    let ms = 0..50_i64;
    let held = any::<Index>;
    let reason = prop_oneof![
        Just(ReleaseReason::Stopped),
        Just(ReleaseReason::Crashed),
        ms.clone().prop_map(|delay_ms| ReleaseReason::Postponed { delay_ms })
    ];
    let followup = prop_oneof![
        Just(Followup::Delivered),
        ms.clone().prop_map(|after_ms| Followup::Retry { after_ms }),
        Just(Followup::Failed)
    ];
    let lease = 1..60_i64;
    prop_oneof![
        4 => prop_oneof![Just(0), ms.clone()].prop_map(|delay_ms| Step::Accept { delay_ms }),
        3 => (0..4_u32, lease.clone()).prop_map(|(limit, lease_ms)| Step::ClaimJobs { limit, lease_ms }),
        1 => (held(), lease.clone()).prop_map(|(held, lease_ms)| Step::RenewJob { held, lease_ms }),
        3 => held().prop_map(|held| Step::FinishJob { held }),
        1 => (held(), reason).prop_map(|(held, reason)| Step::ReleaseJob { held, reason }),
        3 => (0..4_u32, lease).prop_map(|(limit, lease_ms)| Step::ClaimWebhooks { limit, lease_ms }),
        3 => (held(), held(), followup)
            .prop_map(|(held, outcome, followup)| Step::Record { held, outcome, followup }),
        1 => (held(), ms.clone()).prop_map(|(held, after_ms)| Step::ReleaseWebhook { held, after_ms }),
        1 => held().prop_map(|held| Step::Abandon { held }),
        2 => held().prop_map(|webhook| Step::Resend { webhook }),
        1 => held().prop_map(|webhook| Step::Cancel { webhook }),
        3 => ms.clone().prop_map(|by_ms| Step::Advance { by_ms }),
        1 => Just(Step::Recover),
        1 => (ms, 0..4_u32).prop_map(|(age_ms, limit)| Step::Sweep { age_ms, limit }),
    ]
}

/// The ledger, the model, and all leases that the ledger has granted, including the leases that have ended.
struct Both {
    f: Fixture,
    memory: Memory,
    jobs: Vec<Lease<pixaven_ledger::Job>>,
    webhooks: Vec<Lease<pixaven_ledger::DueWebhook>>,
}

impl Both {
    async fn run(&mut self, step: Step) {
        match step {
            Step::Accept { delay_ms } => self.accept(delay_ms).await,
            Step::Advance { by_ms } => {
                self.f.clock.advance(by_ms);
                self.memory.now_ms += by_ms;
            }
            Step::Recover => {
                let recovered = self.f.ledger.recover().await.unwrap();
                assert_eq!((recovered.n_jobs, recovered.n_webhooks), self.memory.reap(i64::MAX));
            }
            Step::Sweep { age_ms, limit } => {
                let before_ms = self.memory.now_ms - age_ms;
                let n_swept = self.f.ledger.sweep_history(before_ms, limit).await.unwrap();
                assert_eq!(n_swept, self.memory.sweep(before_ms, limit));
            }
            Step::ClaimJobs { limit, lease_ms } => self.claim_jobs(limit, lease_ms).await,
            Step::ClaimWebhooks { limit, lease_ms } => self.claim_webhooks(limit, lease_ms).await,
            Step::RenewJob { held, lease_ms } if !self.jobs.is_empty() => {
                let lease = held.get(&self.jobs[..]);
                let expected = self.memory.renew(&key_of(lease), lease_ms);
                let index = held.index(self.jobs.len());
                check_lease(self.f.ledger.renew_job(&mut self.jobs[index], lease_ms).await, expected);
            }
            Step::FinishJob { held } if !self.jobs.is_empty() => {
                self.finish_job(held.index(self.jobs.len())).await;
            }
            Step::ReleaseJob { held, reason } if !self.jobs.is_empty() => {
                let lease = self.jobs.remove(held.index(self.jobs.len()));
                let expected = self.memory.release_job(&key_of(&lease), reason);
                check_lease(self.f.ledger.release_job(&lease, reason).await, expected);
            }
            Step::Record { held, outcome, followup } if !self.webhooks.is_empty() => {
                self.record(held, *outcome.get(&Outcome::ALL), followup).await;
            }
            Step::ReleaseWebhook { held, after_ms } if !self.webhooks.is_empty() => {
                let lease = self.webhooks.remove(held.index(self.webhooks.len()));
                let due_ms = self.memory.now_ms + after_ms;
                let expected = self.memory.release_webhook(&key_of(&lease), due_ms);
                check_lease(self.f.ledger.release_webhook(&lease, due_ms).await, expected);
            }
            Step::Abandon { held } if !self.webhooks.is_empty() => {
                let lease = self.webhooks.remove(held.index(self.webhooks.len()));
                let expected = self.memory.abandon(&key_of(&lease));
                check_lease(self.f.ledger.abandon_webhook(&lease, FailureReason::Expired).await, expected);
            }
            Step::Resend { webhook } if !self.memory.webhooks.is_empty() => {
                let id = webhook.get(&self.memory.webhooks[..]).id;
                let resent = self.f.ledger.resend_webhook(self.f.account, id).await;
                match self.memory.resend(id) {
                    Some(status) => assert_eq!(resent.unwrap(), Some(status)),
                    None => assert!(matches!(resent, Err(Error::WrongStatus(_)))),
                }
            }
            Step::Cancel { webhook } if !self.memory.webhooks.is_empty() => {
                let id = webhook.get(&self.memory.webhooks[..]).id;
                let cancelled = self.f.ledger.cancel_webhook(self.f.account, id).await;
                match self.memory.cancel(id) {
                    true => assert!(cancelled.unwrap()),
                    false => assert!(matches!(cancelled, Err(Error::WrongStatus(_)))),
                }
            }
            // A step that needs a lease or a webhook has no effect if no lease or webhook exists.
            _ => {}
        }
    }

    async fn accept(&mut self, delay_ms: i64) {
        let mut delayed = webhook();
        delayed.delay_ms = delay_ms;
        let new = request(self.f.account, delayed);
        self.memory.accept(new.id, delay_ms);
        self.f.ledger.accept(new).await.unwrap();
    }

    /// Adds jobs and webhooks to both queues, so that even a short sequence of steps can test every
    /// operation.
    async fn fill_queues(&mut self) {
        for _ in 0..N_INITIAL_REQUESTS {
            self.accept(0).await;
        }
        self.claim_jobs(N_INITIAL_REQUESTS / 2, 1_000).await;
        while !self.jobs.is_empty() {
            self.finish_job(0).await;
        }
    }

    async fn finish_job(&mut self, index: usize) {
        let lease = self.jobs.remove(index);
        let (expected, outcome) = (self.memory.finish(&key_of(&lease)), job_outcome(lease.value.id));
        check_lease(self.f.ledger.finish_job(&lease, outcome).await, expected);
    }

    async fn claim_jobs(&mut self, limit: u32, lease_ms: i64) {
        let leases = self.f.ledger.claim_jobs(limit, lease_ms).await.unwrap();
        let claimed: Vec<_> = leases.iter().map(|lease| (key_of(lease), lease.value.n_crashes)).collect();
        assert_eq!(claimed, self.memory.claim_jobs(limit, lease_ms));
        self.jobs.extend(leases);
    }

    async fn claim_webhooks(&mut self, limit: u32, lease_ms: i64) {
        let leases = self.f.ledger.claim_webhooks(limit, lease_ms).await.unwrap();
        let claimed: Vec<_> = leases.iter().map(|lease| (key_of(lease), lease.attempt)).collect();
        self.memory.claim_webhooks(limit, lease_ms, &claimed);
        self.webhooks.extend(leases);
    }

    async fn record(&mut self, held: Index, outcome: Outcome, followup: Followup) {
        let lease = self.webhooks.remove(held.index(self.webhooks.len()));
        let disposition = match followup {
            Followup::Delivered => Disposition::Delivered,
            Followup::Retry { after_ms } => Disposition::Retry { due_ms: self.memory.now_ms + after_ms },
            Followup::Failed => Disposition::Failed { reason: FailureReason::RetriesExhausted },
        };
        let expected = self.memory.record(&key_of(&lease), lease.attempt, outcome, disposition);
        check_lease(
            self.f.ledger.record_attempt(&lease, attempt(outcome, None), disposition).await,
            expected,
        );
    }

    /// Checks that the counters, lists and records of the ledger agree with the model.
    async fn compare(&self) {
        assert_eq!(self.f.counts().await, self.memory.counts());
        let query = all_webhooks(self.f.account);
        let page = self.f.ledger.webhooks(query).await.unwrap();
        assert_eq!(page.total, self.memory.webhooks.len() as u64);
        for listed in page.webhooks {
            let record = self.f.ledger.webhook(self.f.account, listed.id).await.unwrap().unwrap();
            let attempts: Vec<_> =
                record.attempts.iter().map(|recorded| (recorded.number, recorded.attempt.outcome)).collect();
            let visible = (record.status, next_due_ms(&record), attempts);
            assert_eq!(visible, self.memory.view(record.id), "{}", record.id);
        }
    }
}

fn key_of<T: HasId>(lease: &Lease<T>) -> LeaseKey {
    LeaseKey { id: lease.value.id(), fence: lease.fence }
}

trait HasId {
    fn id(&self) -> Uuid;
}

impl HasId for pixaven_ledger::Job {
    fn id(&self) -> Uuid {
        self.id
    }
}

impl HasId for pixaven_ledger::DueWebhook {
    fn id(&self) -> Uuid {
        self.id
    }
}

/// Checks the ledger's answer to a write under a lease. The ledger must accept the write if the lease is
/// valid in the model, and must refuse the write if the lease is not valid.
fn check_lease<T>(answer: Result<T, Error>, is_held: bool) {
    match answer {
        Ok(_) => assert!(is_held, "the ledger accepted a write under a lost lease"),
        Err(Error::LostLease) => assert!(!is_held, "the ledger refused a write under a held lease"),
        Err(error) => panic!("{error}"),
    }
}

/// Runs random sequences of steps, each sequence on a new ledger and a new model. Stops early if `fresh` says
/// that this machine lacks the database.
fn check_against_the_model<F: Future<Output = Option<Fixture>>>(n_cases: u32, fresh: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cases = ProptestConfig { cases: n_cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(cases, |(steps in prop::collection::vec(step(), 1..60))| {
        runtime.block_on(async {
            // The model has no delivery limits, so the ledger gets limits that are never reached. Other tests
            // cover the delivery limits.
            let Some(f) = fresh().await.map(Fixture::unlimited) else { return };
            let memory = Memory::new(f.clock.now_ms());
            let mut both = Both { f, memory, jobs: vec![], webhooks: vec![] };
            both.fill_queues().await;
            for step in steps {
                both.run(step).await;
                assert_eq!(both.f.counts().await, both.memory.counts());
            }
            both.compare().await;
            assert_eq!(violations(both.f.store.clone()).await, Vec::<String>::new());
        });
    });
}

#[test]
fn the_sqlite_ledger_gives_the_same_results_as_a_model_in_memory_for_random_operations() {
    check_against_the_model(64, crate::sqlite::fresh);
}

#[test]
fn the_postgresql_ledger_gives_the_same_results_as_a_model_in_memory_for_random_operations() {
    check_against_the_model(32, crate::postgres::fresh);
}
