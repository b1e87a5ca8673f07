//! What happens in a world besides the passing of time: users, crashes, and a clock that somebody sets.

use uuid::Uuid;

use super::world::{DAY_MS, FAIRNESS, GIVE_UP_MS, Known, World};
use crate::model::account::UsageDelta;
use crate::model::request::{InputRef, JobDone, NewRequest, NewWebhook};
use crate::model::webhook::{Next, WebhookStatus};
use crate::sql;
use crate::sql::webhooks::Recorded;

impl World {
    pub(super) fn something_happens(&mut self) {
        match self.dice.index(12) {
            0..=6 => {
                let n = self.dice.spread(1, 6);
                (0..n).for_each(|_| self.accept());
            }
            7 => self.crash(),
            8 => {
                self.tally.n_jumps += 1;
                self.offset_ms += self.dice.spread(1, 7 * DAY_MS);
            }
            9 => {
                self.tally.n_jumps += 1;
                self.offset_ms -= self.dice.spread(1, DAY_MS);
            }
            10 => self.resend(),
            _ => self.cancel(),
        }
        // Whoever does something wakes the driver, or a second does.
        self.claim();
    }

    fn accept(&mut self) {
        let now_ms = self.now_ms();
        let receiver = self.dice.index(self.receivers.len());
        let delay_ms = if self.dice.one_in(3) { self.dice.spread(1_000, 7 * DAY_MS) } else { 0 };
        let expires_ms = if self.dice.one_in(4) { self.dice.spread(1_000, GIVE_UP_MS) } else { GIVE_UP_MS };
        let webhook = NewWebhook {
            url: String::new(),
            authority: self.receivers[receiver].authority.clone(),
            delay_ms,
            expires_ms: Some(expires_ms),
            retry: true,
            headers: vec![],
        };
        let (high, low) = (self.dice.next(), self.dice.next());
        let id = Uuid::from_u64_pair(high, low);
        let (account, spec) = (self.account, String::new());
        let new = NewRequest { id, account, spec, input: InputRef::Url, webhook };
        let done = JobDone { payload: String::new(), usage: UsageDelta::default(), result: None };
        self.write(|tx| {
            sql::jobs::accept(tx, &new)?;
            let job = sql::jobs::claim(tx, 1, 1_000)?.remove(0);
            sql::jobs::finish(tx, &job, &done, &FAIRNESS)
        })
        .expect("it is new");
        let due_ms = now_ms + delay_ms;
        let ends_ms = due_ms + expires_ms;
        self.known.insert(id, Known { receiver, due_ms, ends_ms, n_delivered: 0 });
        self.ids.push(id);
    }

    /// The process dies. What its attempts brought, a network may still deliver to nobody.
    fn crash(&mut self) {
        // Often in the middle of something.
        (0..self.dice.spread(1, 6)).for_each(|_| self.accept());
        self.claim();
        let now_ms = self.now_ms();
        self.tally.n_crashes += 1;
        let lost: Vec<_> = self.under_way.drain(..).collect();
        self.write(|tx| sql::claims::reap(tx, i64::MAX, &FAIRNESS)).expect("it recovers");
        self.latest_claim_ms = i64::MAX;
        for running in lost {
            self.reschedule(running.lease.value.id, now_ms);
            let (held, attempt) = (running.lease.held(), running.attempt);
            let recorded =
                self.write(|tx| sql::webhooks::record(tx, &held, &attempt, Next::Delivered, &FAIRNESS));
            assert_eq!(recorded.expect("it can be told"), Recorded::Late, "its lease is over");
            self.tally.n_late += 1;
        }
    }

    fn resend(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let (now_ms, account) = (self.now_ms(), self.account);
        let id = self.ids[self.dice.index(self.ids.len())];
        let before = self.status(id);
        self.write(|tx| sql::interventions::resend(tx, account, id, &FAIRNESS)).expect("it has a payload");
        let expires_ms = self
            .connection
            .query_row(
                "SELECT webhook_expires_ms FROM requests WHERE id = ?1",
                [id.as_bytes().as_slice()],
                |row| row.get::<_, i64>(0),
            )
            .expect("it is there");
        let known = self.known.get_mut(&id).expect("it is known");
        match before {
            WebhookStatus::Dispatched => {}
            WebhookStatus::Scheduled => known.due_ms = now_ms,
            _ => (known.due_ms, known.ends_ms) = (now_ms, now_ms + expires_ms),
        }
    }

    fn cancel(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let account = self.account;
        let id = self.ids[self.dice.index(self.ids.len())];
        let is_waiting = self.status(id) == WebhookStatus::Scheduled;
        let cancelled = self.write(|tx| sql::interventions::cancel(tx, account, id, &FAIRNESS));
        assert_eq!(cancelled.is_ok(), is_waiting);
    }

    fn status(&mut self, id: Uuid) -> WebhookStatus {
        let account = self.account;
        let record = self.write(|tx| sql::history::find(tx, account, id)).expect("it can be read");
        record.expect("nothing is lost").status
    }
}
