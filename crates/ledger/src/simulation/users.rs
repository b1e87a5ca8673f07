//! The random events of a simulation: users who send, resend and cancel webhooks, crashes of the server, and
//! jumps of the clock.

use uuid::Uuid;

use super::receiver::N_PATHS;
use super::world::{DAY_MS, Expected, GIVE_UP_MS, World};
use crate::model::account::UsageDelta;
use crate::model::request::{InputRef, JobOutcome, NewRequest, NewWebhook};
use crate::model::webhook::{Disposition, WebhookStatus};
use crate::sql;
use crate::sql::jobs::FinishedJob;
use crate::sql::reports::{RecordEffect, Report};

impl World {
    pub(super) fn random_event(&mut self) {
        match self.rng.index(12) {
            0..=6 => {
                let n = self.rng.log_range(1, 6);
                (0..n).for_each(|_| self.accept_to_any());
                if self.rng.one_in(30) {
                    // Many webhooks to one receiver, whose concurrency limit grows.
                    let receiver = self.rng.index(self.receivers.len());
                    (0..40).for_each(|_| self.accept(receiver));
                }
            }
            7 => self.crash(),
            8 => {
                self.tally.n_clock_jumps += 1;
                self.offset_ms += self.rng.log_range(1, 7 * DAY_MS);
            }
            9 => {
                self.tally.n_clock_jumps += 1;
                self.offset_ms -= self.rng.log_range(1, DAY_MS);
            }
            10 => self.resend(),
            _ => self.cancel(),
        }
        // The driver claims webhooks after every event, because the commit of the event or the time-out of
        // one second wakes the driver.
        self.claim();
    }

    fn accept_to_any(&mut self) {
        let receiver = self.rng.index(self.receivers.len());
        self.accept(receiver);
    }

    fn accept(&mut self, receiver: usize) {
        let now_ms = self.now_ms();
        let path = self.rng.index(N_PATHS);
        let delay_ms = if self.rng.one_in(3) { self.rng.log_range(1_000, 7 * DAY_MS) } else { 0 };
        let expires_ms = if self.rng.one_in(4) { self.rng.log_range(1_000, GIVE_UP_MS) } else { GIVE_UP_MS };
        let webhook = NewWebhook {
            url: format!("https://{}/{path}", self.receivers[receiver].authority),
            authority: self.receivers[receiver].authority.clone(),
            delay_ms,
            expires_ms: Some(expires_ms),
            retry: true,
            headers: vec![],
        };
        let (high, low) = (self.rng.next(), self.rng.next());
        let id = Uuid::from_u64_pair(high, low);
        let (account, spec) = (self.account, String::new());
        let new = NewRequest { id, account, spec, input: InputRef::Url, webhook };
        let outcome = JobOutcome {
            payload: String::new(),
            usage: UsageDelta::default(),
            result: None,
            redacted_spec: None,
        };
        self.write(|tx| {
            sql::single(tx, sql::accept::accept, new)?;
            let lease = sql::jobs::claim(tx, None, 1, 1_000)?.remove(0);
            sql::single(tx, sql::jobs::finish, FinishedJob::new(&lease, outcome))
        })
        .expect("the id is new");
        let due_ms = now_ms + delay_ms;
        let ends_ms = due_ms + expires_ms;
        let expected =
            Expected { receiver, path, due_ms, ends_ms, expires_ms, n_delivered: 0, is_postponed: false };
        self.expected.insert(id, expected);
        self.ids.push(id);
    }

    /// Simulates a crash of the server process and the recovery by another process. The attempts that were
    /// under way are reported after the recovery, when their leases are already lost.
    fn crash(&mut self) {
        // Before the crash, new webhooks are accepted and claimed, so that some attempts are probably under
        // way when the server crashes.
        (0..self.rng.log_range(1, 6)).for_each(|_| self.accept_to_any());
        self.claim();
        let now_ms = self.now_ms();
        self.tally.n_crashes += 1;
        let lost: Vec<_> = self.under_way.drain(..).collect();
        self.write(|tx| sql::webhook_leases::reap(tx, i64::MAX, None)).expect("the ledger recovers");
        self.last_claim_ms = i64::MAX;
        for running in lost {
            self.expect_due(running.lease.value.id, now_ms);
            let (lease, attempt) = (running.lease.key(), running.attempt);
            let report = Report { lease, attempt, disposition: Disposition::Delivered };
            let recorded = self.write(|tx| sql::single(tx, sql::reports::record, report));
            let effect = recorded.expect("a late report can be recorded");
            assert_eq!(effect, RecordEffect::HistoryOnly, "the recovery ended the lease");
            self.tally.n_late_reports += 1;
        }
    }

    fn resend(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let (now_ms, account) = (self.now_ms(), self.account);
        let id = self.ids[self.rng.index(self.ids.len())];
        let before = self.status(id);
        self.write(|tx| sql::interventions::resend(tx, account, id)).expect("the webhook has a payload");
        let expected = self.expected.get_mut(&id).expect("the webhook was accepted");
        match before {
            WebhookStatus::Dispatched => {}
            WebhookStatus::Scheduled => expected.due_ms = now_ms,
            _ => (expected.due_ms, expected.ends_ms) = (now_ms, now_ms + expected.expires_ms),
        }
    }

    fn cancel(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let account = self.account;
        let id = self.ids[self.rng.index(self.ids.len())];
        let is_waiting = self.status(id) == WebhookStatus::Scheduled;
        let cancelled = self.write(|tx| sql::interventions::cancel(tx, account, id));
        assert_eq!(cancelled.is_ok(), is_waiting);
    }

    fn status(&mut self, id: Uuid) -> WebhookStatus {
        let account = self.account;
        let record = self.write(|tx| sql::history::find(tx, account, id)).expect("the webhook can be read");
        record.expect("no webhook is lost").status
    }
}
