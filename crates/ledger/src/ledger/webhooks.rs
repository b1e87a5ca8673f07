//! Webhooks: sending them, and looking at them afterwards.
//!
//! Beside what each method names, every one of them can fail with [`Error::Busy`], [`Error::Poisoned`],
//! [`Error::Closed`], [`Error::Corrupt`] or [`Error::Database`].

use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::Ledger;
use crate::destination::Room;
use crate::error::Error;
use crate::finished::Finishing;
use crate::history::{BulkResend, WebhookPage, WebhookQuery, WebhookRecord};
use crate::lease::Lease;
use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, DueWebhook, Next, WebhookStatus};
use crate::sql;
use crate::sql::webhooks::Recorded;

#[expect(clippy::missing_errors_doc, reason = "the module says once what all of them share")]
impl Ledger {
    /// Takes webhooks that are due, as many as there is room for, for `lease_ms`, and opens the attempt of each: should
    /// the process die now, the history shows an interrupted attempt. They come by due time; who may have how many when
    /// there are more than fit is decided by [`Fairness`]. Webhooks whose earlier lease ran out are due again, and those
    /// whose time is over fail.
    ///
    /// [`Fairness`]: crate::Fairness
    pub async fn claim_webhooks(
        &self,
        room: impl Into<Room>,
        lease_ms: i64,
    ) -> Result<Vec<Lease<DueWebhook>>, Error> {
        let (room, fairness, now_ms) = (room.into(), self.fairness, self.clock.now_ms());
        if now_ms < self.latest_claim_ms.load(Ordering::Relaxed) {
            self.write(move |tx| sql::destinations::clock_went_back(tx, &fairness)).await?;
        }
        self.latest_claim_ms.store(now_ms, Ordering::Relaxed);
        self.write(move |tx| sql::claims::claim(tx, room, lease_ms, &fairness)).await
    }

    /// Closes the attempt and does what follows from it. [`Error::LostLease`] when the webhook is no longer
    /// the caller's: the attempt is then added to the history all the same, and nothing else is done. After
    /// [`Error::Busy`] it can be asked for again, as long as the lease lasts.
    pub async fn record_attempt(
        &self,
        lease: &Lease<DueWebhook>,
        attempt: Attempt,
        next: Next,
    ) -> Result<(), Error> {
        let (held, fairness) = (lease.held(), self.fairness);
        match self.write(move |tx| sql::webhooks::record(tx, &held, &attempt, next, &fairness)).await? {
            Recorded::InTime => Ok(()),
            Recorded::Late => Err(Error::LostLease),
        }
    }

    /// Gives a webhook back that was not sent, through local trouble or because the server stops. The attempt is
    /// not used up, its row is removed. [`Error::LostLease`]; after [`Error::Busy`] it can be asked for again.
    pub async fn release_webhook(&self, lease: &Lease<DueWebhook>, due_ms: i64) -> Result<(), Error> {
        let (held, fairness) = (lease.held(), self.fairness);
        self.write(move |tx| sql::webhooks::release(tx, &held, due_ms, &fairness)).await
    }

    /// Gives a webhook up that was not sent, because its time is over: failed for `reason`, without an attempt.
    /// [`Error::LostLease`]; after [`Error::Busy`] it can be asked for again.
    pub async fn abandon_webhook(&self, lease: &Lease<DueWebhook>, reason: String) -> Result<(), Error> {
        let (held, fairness) = (lease.held(), self.fairness);
        self.write(move |tx| sql::webhooks::abandon(tx, &held, reason, &fairness)).await
    }

    /// Sends a webhook again now, whatever its status: one that waits is due now, one that ended is tried anew, by the
    /// whole schedule, and one that is being sent is left to that. Returns its status now; `None` when it does not exist
    /// or is another account's. [`Error::NotNow`] while there is nothing to send yet.
    pub async fn resend_webhook(&self, account: AccountId, id: Uuid) -> Result<Option<WebhookStatus>, Error> {
        let fairness = self.fairness;
        self.write(move |tx| sql::interventions::resend(tx, account, id, &fairness)).await
    }

    /// How many webhooks a query matches, up to [`COUNT_LIMIT`] where a host or a time range is asked for.
    ///
    /// [`COUNT_LIMIT`]: crate::COUNT_LIMIT
    pub async fn count_webhooks(&self, query: WebhookQuery) -> Result<u64, Error> {
        self.read(move |tx| sql::history::total(tx, &query)).await
    }

    /// Begins to send again what matches now, at most `per_second` of them a second; claims carry it on.
    pub async fn start_bulk_resend(
        &self,
        query: WebhookQuery,
        per_second: Option<u32>,
    ) -> Result<BulkResend, Error> {
        self.write(move |tx| sql::bulk::start(tx, &query, per_second)).await
    }

    /// How far it is; `None` when it does not exist or is another account's.
    pub async fn bulk_resend(&self, account: AccountId, no: i64) -> Result<Option<BulkResend>, Error> {
        self.read(move |tx| sql::bulk::show(tx, account, no)).await
    }

    /// Sends no more of them again; those that are due by then stay so. `None` when it does not exist or is another
    /// account's.
    pub async fn stop_bulk_resend(&self, account: AccountId, no: i64) -> Result<Option<BulkResend>, Error> {
        self.write(move |tx| sql::bulk::stop(tx, account, no)).await
    }

    /// Gives up a webhook whose image is being processed or that waits: failed, `cancelled`. `false` when it does not
    /// exist or is another account's. [`Error::NotNow`] when it is being sent or has ended.
    pub async fn cancel_webhook(&self, account: AccountId, id: Uuid) -> Result<bool, Error> {
        let fairness = self.fairness;
        let is_found = self.write(move |tx| sql::interventions::cancel(tx, account, id, &fairness)).await?;
        self.finished.tell(id);
        Ok(is_found)
    }

    /// Waits for the end of a request's processing. Made before the request is looked at, it misses nothing.
    pub fn finishing(&self, id: Uuid) -> Finishing {
        self.finished.wait_for(id)
    }

    /// One page of an account's webhooks, most recently accepted first.
    pub async fn webhooks(&self, query: WebhookQuery) -> Result<WebhookPage, Error> {
        self.read(move |tx| sql::history::page(tx, &query)).await
    }

    /// One webhook with its attempts; `None` when it does not exist or is another account's.
    pub async fn webhook(&self, account: AccountId, id: Uuid) -> Result<Option<WebhookRecord>, Error> {
        self.read(move |tx| sql::history::find(tx, account, id)).await
    }

    /// Removes up to `limit` ended webhooks accepted before `before_ms`, with everything kept for them. Returns
    /// how many: call again while it is not 0.
    pub async fn sweep_history(&self, before_ms: i64, limit: u32) -> Result<u64, Error> {
        self.write(move |tx| sql::history::sweep(tx, before_ms, limit)).await
    }
}
