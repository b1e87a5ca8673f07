//! Random sequences of operations, on the ledger and on a model of it in memory: they must always agree.

mod memory;

use std::future::Future;

use pixaven_ledger::{Disposition, Error, FailureReason, Lease, Outcome, ReleaseReason, WebhookQuery};
use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

use crate::fixture::{Fixture, attempt, done, next_due_ms, request, sqlite, webhook};
use memory::{LeaseKey, Memory};

/// How many requests there are when a sequence begins.
const N_AT_FIRST: u32 = 6;

#[derive(Clone, Debug)]
enum Step {
    Accept { delay_ms: i64 },
    ClaimJobs { limit: u32, lease_ms: i64 },
    RenewJob { held: Index, lease_ms: i64 },
    FinishJob { held: Index },
    ReleaseJob { held: Index, why: ReleaseReason },
    ClaimWebhooks { limit: u32, lease_ms: i64 },
    Record { held: Index, outcome: Index, next: Then },
    ReleaseWebhook { held: Index, after_ms: i64 },
    Abandon { held: Index },
    Resend { which: Index },
    Cancel { which: Index },
    Advance { by_ms: i64 },
    Recover,
    Sweep { age_ms: i64, limit: u32 },
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Delivered,
    Retry { after_ms: i64 },
    Failed,
}

fn step() -> impl Strategy<Value = Step> {
    let ms = 0..50_i64;
    let held = any::<Index>;
    let why = prop_oneof![
        Just(ReleaseReason::Stopped),
        Just(ReleaseReason::Crashed),
        ms.clone().prop_map(|delay_ms| ReleaseReason::Postponed { delay_ms })
    ];
    let then = prop_oneof![
        Just(Then::Delivered),
        ms.clone().prop_map(|after_ms| Then::Retry { after_ms }),
        Just(Then::Failed)
    ];
    let lease = 1..60_i64;
    prop_oneof![
        4 => prop_oneof![Just(0), ms.clone()].prop_map(|delay_ms| Step::Accept { delay_ms }),
        3 => (0..4_u32, lease.clone()).prop_map(|(limit, lease_ms)| Step::ClaimJobs { limit, lease_ms }),
        1 => (held(), lease.clone()).prop_map(|(held, lease_ms)| Step::RenewJob { held, lease_ms }),
        3 => held().prop_map(|held| Step::FinishJob { held }),
        1 => (held(), why).prop_map(|(held, why)| Step::ReleaseJob { held, why }),
        3 => (0..4_u32, lease).prop_map(|(limit, lease_ms)| Step::ClaimWebhooks { limit, lease_ms }),
        3 => (held(), held(), then).prop_map(|(held, outcome, next)| Step::Record { held, outcome, next }),
        1 => (held(), ms.clone()).prop_map(|(held, after_ms)| Step::ReleaseWebhook { held, after_ms }),
        1 => held().prop_map(|held| Step::Abandon { held }),
        2 => held().prop_map(|which| Step::Resend { which }),
        1 => held().prop_map(|which| Step::Cancel { which }),
        3 => ms.clone().prop_map(|by_ms| Step::Advance { by_ms }),
        1 => Just(Step::Recover),
        1 => (ms, 0..4_u32).prop_map(|(age_ms, limit)| Step::Sweep { age_ms, limit }),
    ]
}

/// The ledger, the model, and the leases that somebody believes to hold.
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
                let expected = self.memory.renew(&of(lease), lease_ms);
                let at = held.index(self.jobs.len());
                agree(self.f.ledger.renew_job(&mut self.jobs[at], lease_ms).await, expected);
            }
            Step::FinishJob { held } if !self.jobs.is_empty() => {
                self.finish_job(held.index(self.jobs.len())).await;
            }
            Step::ReleaseJob { held, why } if !self.jobs.is_empty() => {
                let lease = self.jobs.remove(held.index(self.jobs.len()));
                let expected = self.memory.release_job(&of(&lease), why);
                agree(self.f.ledger.release_job(lease, why).await, expected);
            }
            Step::Record { held, outcome, next } if !self.webhooks.is_empty() => {
                self.record(held, *outcome.get(&Outcome::ALL), next).await;
            }
            Step::ReleaseWebhook { held, after_ms } if !self.webhooks.is_empty() => {
                let lease = self.webhooks.remove(held.index(self.webhooks.len()));
                let due_ms = self.memory.now_ms + after_ms;
                let expected = self.memory.release_webhook(&of(&lease), due_ms);
                agree(self.f.ledger.release_webhook(&lease, due_ms).await, expected);
            }
            Step::Abandon { held } if !self.webhooks.is_empty() => {
                let lease = self.webhooks.remove(held.index(self.webhooks.len()));
                let expected = self.memory.abandon(&of(&lease));
                agree(self.f.ledger.abandon_webhook(&lease, FailureReason::Expired).await, expected);
            }
            Step::Resend { which } if !self.memory.webhooks.is_empty() => {
                let id = which.get(&self.memory.webhooks[..]).id;
                let resent = self.f.ledger.resend_webhook(self.f.account, id).await;
                match self.memory.resend(id) {
                    Some(status) => assert_eq!(resent.unwrap(), Some(status)),
                    None => assert!(matches!(resent, Err(Error::WrongStatus(_)))),
                }
            }
            Step::Cancel { which } if !self.memory.webhooks.is_empty() => {
                let id = which.get(&self.memory.webhooks[..]).id;
                let cancelled = self.f.ledger.cancel_webhook(self.f.account, id).await;
                match self.memory.cancel(id) {
                    true => assert!(cancelled.unwrap()),
                    false => assert!(matches!(cancelled, Err(Error::WrongStatus(_)))),
                }
            }
            // Nobody holds anything that the step could be about.
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

    /// Fills both queues, so that short sequences get somewhere.
    async fn begin(&mut self) {
        for _ in 0..N_AT_FIRST {
            self.accept(0).await;
        }
        self.claim_jobs(N_AT_FIRST / 2, 1_000).await;
        while !self.jobs.is_empty() {
            self.finish_job(0).await;
        }
    }

    async fn finish_job(&mut self, at: usize) {
        let lease = self.jobs.remove(at);
        let (expected, done) = (self.memory.finish(&of(&lease)), done(lease.value.id));
        agree(self.f.ledger.finish_job(lease, done).await, expected);
    }

    async fn claim_jobs(&mut self, limit: u32, lease_ms: i64) {
        let leases = self.f.ledger.claim_jobs(limit, lease_ms).await.unwrap();
        let claimed: Vec<_> = leases.iter().map(|lease| (of(lease), lease.value.n_crashes)).collect();
        assert_eq!(claimed, self.memory.claim_jobs(limit, lease_ms));
        self.jobs.extend(leases);
    }

    async fn claim_webhooks(&mut self, limit: u32, lease_ms: i64) {
        let leases = self.f.ledger.claim_webhooks(limit, lease_ms).await.unwrap();
        let claimed: Vec<_> = leases.iter().map(|lease| (of(lease), lease.attempt)).collect();
        self.memory.claim_webhooks(limit, lease_ms, &claimed);
        self.webhooks.extend(leases);
    }

    async fn record(&mut self, held: Index, outcome: Outcome, then: Then) {
        let lease = self.webhooks.remove(held.index(self.webhooks.len()));
        let next = match then {
            Then::Delivered => Disposition::Delivered,
            Then::Retry { after_ms } => Disposition::Retry { due_ms: self.memory.now_ms + after_ms },
            Then::Failed => Disposition::Failed { reason: FailureReason::RetriesExhausted },
        };
        let expected = self.memory.record(&of(&lease), lease.attempt, outcome, &next);
        agree(self.f.ledger.record_attempt(&lease, attempt(outcome, None), next).await, expected);
    }

    /// Everything that can be seen is as the model has it.
    async fn compare(&self) {
        assert_eq!(self.f.counts().await, self.memory.counts());
        let query = WebhookQuery {
            account: self.f.account,
            statuses: vec![],
            host: None,
            before: None,
            start_ms: None,
            end_ms: None,
            offset: 0,
            limit: 100,
        };
        let page = self.f.ledger.webhooks(query).await.unwrap();
        assert_eq!(page.total, self.memory.webhooks.len() as u64);
        for listed in page.webhooks {
            let shown = self.f.ledger.webhook(self.f.account, listed.id).await.unwrap().unwrap();
            let attempts: Vec<_> =
                shown.attempts.iter().map(|made| (made.number, made.attempt.outcome)).collect();
            let seen = (shown.status, next_due_ms(&shown), attempts);
            assert_eq!(seen, self.memory.view(shown.id), "{}", shown.id);
        }
    }
}

fn of<T: HasId>(lease: &Lease<T>) -> LeaseKey {
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

/// The ledger succeeds exactly where the model says that the lease is still held.
fn agree(answer: Result<(), Error>, is_held: bool) {
    match answer {
        Ok(()) => assert!(is_held, "a lost lease was accepted"),
        Err(Error::LostLease) => assert!(!is_held, "a held lease was refused"),
        Err(error) => panic!("{error}"),
    }
}

/// Runs random sequences on ledgers of this kind.
fn agrees_with_the_model<F: Future<Output = Fixture>>(fresh: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cases = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(cases, |(steps in prop::collection::vec(step(), 1..60))| {
        runtime.block_on(async {
            let f = fresh().await;
            let memory = Memory::new(f.clock.now_ms());
            let mut both = Both { f, memory, jobs: vec![], webhooks: vec![] };
            both.begin().await;
            for step in steps {
                both.run(step).await;
                assert_eq!(both.f.counts().await, both.memory.counts());
            }
            both.compare().await;
        });
    });
}

#[test]
fn sqlite_agrees_with_the_model() {
    agrees_with_the_model(|| async {
        let directory = tempfile::tempdir().unwrap();
        // What is held back is the matter of tests of its own.
        Fixture::open(sqlite(directory.path()), directory).await.unlimited()
    });
}
