//! The methods of [`Ledger`] that claim, resend and cancel webhooks, record their attempts, and read their
//! history.
//!
//! Every method can fail with [`Error::Busy`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Corrupt`] or
//! [`Error::Database`]. The documentation of each method names only the further errors of the method.

use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::Ledger;
use crate::completion::CompletionWaiter;
use crate::destination::{BreakerChange, SendCapacity};
use crate::error::Error;
use crate::history::{BulkResend, WebhookPage, WebhookQuery, WebhookRecord};
use crate::lease::Lease;
use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, Disposition, DueWebhook, FailureReason, WebhookStatus};
use crate::sql;
use crate::sql::reports::{RecordEffect, Report};

#[expect(clippy::missing_errors_doc, reason = "the module lists the errors that all methods share")]
impl Ledger {
    /// Takes leases that last `lease_ms` on as many due webhooks as `capacity` allows, and opens an attempt
    /// for each leased webhook. If the process dies before the attempt is closed, the history shows an
    /// interrupted attempt.
    ///
    /// The returned webhooks are sorted by due time. When more webhooks are due than `capacity` allows, the
    /// destinations get one webhook each in turn, within their [`DeliveryLimits`]. A webhook whose earlier
    /// lease ran out is due again. The claim also fails the waiting webhooks that have expired.
    ///
    /// [`DeliveryLimits`]: crate::DeliveryLimits
    pub async fn claim_webhooks(
        &self,
        capacity: impl Into<SendCapacity>,
        lease_ms: i64,
    ) -> Result<Vec<Lease<DueWebhook>>, Error> {
        let (capacity, now_ms) = (capacity.into(), self.clock.now_ms());
        if now_ms + self.clock.jitter_ms() < self.last_claim_ms.load(Ordering::Relaxed) {
            self.write(sql::ready_destinations::clamp_to_clock).await?;
        }
        self.last_claim_ms.store(now_ms, Ordering::Relaxed);
        self.ensure_membership().await?;
        let owner = self.owner();
        let claimed = self.write(move |tx| sql::claims::claim(tx, owner, capacity, lease_ms)).await?;
        self.is_held_back.store(claimed.is_held_back, Ordering::Relaxed);
        Ok(claimed.leases)
    }

    /// Whether the last claim left due webhooks in the queue only because the leased webhooks of their
    /// destinations had reached the threshold for one destination. [`Ledger::webhooks_due`] does not report
    /// these webhooks. The caller claims again when it has more capacity.
    pub fn has_held_back_webhooks(&self) -> bool {
        self.is_held_back.load(Ordering::Relaxed)
    }

    /// Closes the attempt of a leased webhook and applies its disposition. If the circuit breaker of the
    /// webhook's destination opened or closed, returns this change for the log.
    ///
    /// When the lease was lost, stores the attempt in the history, changes nothing else, and fails with
    /// [`Error::LostLease`]. After [`Error::Busy`] the caller may repeat the call while the lease lasts.
    pub async fn record_attempt(
        &self,
        lease: &Lease<DueWebhook>,
        attempt: Attempt,
        disposition: Disposition,
    ) -> Result<Option<BreakerChange>, Error> {
        let report = Report { lease: lease.key(), attempt, disposition };
        match self.call(sql::reports::record, report).await? {
            RecordEffect::Applied(change) => Ok(change),
            RecordEffect::HistoryOnly => {
                self.database.count_refused();
                Err(Error::LostLease)
            }
        }
    }

    /// Returns a leased webhook to the queue, because an error on this machine or the stop of the server has
    /// prevented the attempt. The attempt does not count, and the row of the attempt is deleted.
    ///
    /// Fails with [`Error::LostLease`]. After [`Error::Busy`] the caller may try again.
    pub async fn release_webhook(&self, lease: &Lease<DueWebhook>, due_ms: i64) -> Result<(), Error> {
        let key = lease.key();
        self.write(move |tx| sql::reports::release(tx, &key, due_ms)).await
    }

    /// Changes a leased webhook to `failed` without an attempt. The history shows no attempt under this
    /// lease.
    ///
    /// Fails with [`Error::LostLease`]. After [`Error::Busy`] the caller may try again.
    pub async fn abandon_webhook(
        &self,
        lease: &Lease<DueWebhook>,
        reason: FailureReason,
    ) -> Result<(), Error> {
        let key = lease.key();
        self.write(move |tx| sql::reports::abandon(tx, &key, reason)).await
    }

    /// Resends a webhook. A scheduled webhook becomes due now. An ended webhook returns to the start of the
    /// retry schedule. A webhook that is being sent does not change.
    ///
    /// Returns the new status, or `None` when the account has no such webhook. Fails with
    /// [`Error::WrongStatus`] when the webhook has no payload.
    pub async fn resend_webhook(&self, account: AccountId, id: Uuid) -> Result<Option<WebhookStatus>, Error> {
        self.write(move |tx| sql::interventions::resend(tx, account, id)).await
    }

    /// Returns the number of webhooks that match a query; at most [`MAX_COUNTED`] when the query filters by
    /// host or time.
    ///
    /// [`MAX_COUNTED`]: crate::MAX_COUNTED
    pub async fn count_webhooks(&self, query: WebhookQuery) -> Result<u64, Error> {
        self.read(move |tx| sql::history::count(tx, &query)).await
    }

    /// Starts a bulk resend of the webhooks that match `query` at this time. The bulk resend makes at most
    /// `per_second` webhooks due per second. Each later claim of webhooks runs at most one step of a bulk
    /// resend.
    pub async fn start_bulk_resend(
        &self,
        query: WebhookQuery,
        per_second: Option<u32>,
    ) -> Result<BulkResend, Error> {
        self.write(move |tx| sql::bulk::start(tx, &query, per_second)).await
    }

    /// Returns the progress of a bulk resend, or `None` when the account has no such bulk resend.
    pub async fn bulk_resend(&self, account: AccountId, seq: i64) -> Result<Option<BulkResend>, Error> {
        self.read(move |tx| sql::bulk::find(tx, account, seq)).await
    }

    /// Stops a bulk resend. Webhooks that the bulk resend has already made due stay due. Returns `None` when
    /// the account has no such bulk resend.
    pub async fn stop_bulk_resend(&self, account: AccountId, seq: i64) -> Result<Option<BulkResend>, Error> {
        self.write(move |tx| sql::bulk::stop(tx, account, seq)).await
    }

    /// Cancels a webhook that is created or scheduled: the webhook fails with the reason `cancelled`.
    ///
    /// Returns `false` when the account has no such webhook. Fails with [`Error::WrongStatus`] when the
    /// webhook is being sent or has ended.
    pub async fn cancel_webhook(&self, account: AccountId, id: Uuid) -> Result<bool, Error> {
        let is_found = self.write(move |tx| sql::interventions::cancel(tx, account, id)).await?;
        self.completions.notify(id);
        Ok(is_found)
    }

    /// Returns a waiter for the end of a request's processing. The caller must create the waiter before it
    /// reads the status of the request, because a waiter does not report a request that ended before the
    /// waiter was created.
    pub fn completion_of(&self, id: Uuid) -> CompletionWaiter {
        self.completions.wait_for(id)
    }

    /// Returns one page of an account's webhooks, most recently accepted webhook first.
    pub async fn webhooks(&self, query: WebhookQuery) -> Result<WebhookPage, Error> {
        self.read(move |tx| sql::history::page(tx, &query)).await
    }

    /// Returns one webhook with its attempts, or `None` when the account has no such webhook.
    pub async fn webhook(&self, account: AccountId, id: Uuid) -> Result<Option<WebhookRecord>, Error> {
        self.read(move |tx| sql::history::find(tx, account, id)).await
    }

    /// Deletes up to `limit` ended webhooks that were accepted before `before_ms`, with their requests,
    /// payloads and attempts. Returns the number of deleted webhooks. The caller repeats the call until the
    /// number is 0.
    pub async fn sweep_history(&self, before_ms: i64, limit: u32) -> Result<u64, Error> {
        self.write(move |tx| sql::history::sweep(tx, before_ms, limit)).await
    }
}
