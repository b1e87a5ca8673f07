//! Webhooks: sending them, and looking at them afterwards.
//!
//! Beside what each method names, every one of them can fail with [`Error::Busy`], [`Error::Poisoned`],
//! [`Error::Closed`], [`Error::Corrupt`] or [`Error::Database`].

use uuid::Uuid;

use super::Ledger;
use crate::error::Error;
use crate::history::{WebhookPage, WebhookQuery, WebhookRecord};
use crate::lease::Lease;
use crate::model::account::AccountId;
use crate::model::webhook::{Attempt, DueWebhook, Next};
use crate::sql;
use crate::sql::webhooks::Recorded;

#[expect(clippy::missing_errors_doc, reason = "the module says once what all of them share")]
impl Ledger {
    /// Takes up to `limit` webhooks that are due, longest due first, for `lease_ms`, and opens the attempt of
    /// each: should the process die now, the history shows an interrupted attempt. Webhooks whose earlier lease
    /// ran out are due again.
    pub async fn claim_webhooks(&self, limit: u32, lease_ms: i64) -> Result<Vec<Lease<DueWebhook>>, Error> {
        self.write(move |tx| sql::webhooks::claim(tx, limit, lease_ms)).await
    }

    /// Closes the attempt and does what follows from it. [`Error::LostLease`] when the webhook is no longer
    /// the caller's: the attempt is then added to the history all the same, and nothing else is done.
    pub async fn record_attempt(
        &self,
        lease: Lease<DueWebhook>,
        attempt: Attempt,
        next: Next,
    ) -> Result<(), Error> {
        match self.write(move |tx| sql::webhooks::record(tx, &lease, &attempt, next)).await? {
            Recorded::InTime => Ok(()),
            Recorded::Late => Err(Error::LostLease),
        }
    }

    /// Gives a webhook back that was not sent, through local trouble or because the server stops. The attempt is
    /// not used up, its row is removed. [`Error::LostLease`].
    pub async fn release_webhook(&self, lease: Lease<DueWebhook>, due_ms: i64) -> Result<(), Error> {
        self.write(move |tx| sql::webhooks::release(tx, &lease, due_ms)).await
    }

    /// Gives a webhook up that was not sent, because its time is over: failed for `reason`, without an attempt.
    /// [`Error::LostLease`].
    pub async fn abandon_webhook(&self, lease: Lease<DueWebhook>, reason: String) -> Result<(), Error> {
        self.write(move |tx| sql::webhooks::abandon(tx, &lease, reason)).await
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
