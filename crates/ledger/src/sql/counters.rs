//! The counters of an account: what it has used, and its webhooks by status.

use super::{Tx, params, statements};
use crate::error::Error;
use crate::model::account::{AccountId, UsageDelta};
use crate::model::webhook::WebhookStatus;
use crate::state::Transition;

statements! {
    COUNT = "UPDATE counters
             SET requests = requests + ?2, input_bytes = input_bytes + ?3, output_bytes = output_bytes + ?4,
                 n_created = n_created + ?5, n_scheduled = n_scheduled + ?6, n_dispatched = n_dispatched + ?7,
                 n_delivered = n_delivered + ?8, n_failed = n_failed + ?9
             WHERE account = ?1";
}

/// A change of the counters of one account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delta {
    usage: UsageDelta,
    /// By status, in the order of [`WebhookStatus::ALL`].
    webhooks: [i64; WebhookStatus::ALL.len()],
}

impl Delta {
    pub(super) fn with_usage(self, usage: UsageDelta) -> Self {
        Self { usage, ..self }
    }

    /// `n` webhooks more in this status; fewer, if negative.
    pub(super) fn with(mut self, status: WebhookStatus, n: i64) -> Self {
        self.webhooks[status as usize] += n;
        self
    }

    pub(super) fn with_step(self, step: &Transition) -> Self {
        self.with(step.from, -1).with(step.to.status(), 1)
    }

    /// Adds it to the counters.
    pub(super) fn apply(self, tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
        let [n_created, n_scheduled, n_dispatched, n_delivered, n_failed] = self.webhooks;
        let usage = self.usage;
        let n_rows = tx.execute(
            &COUNT,
            params![
                account,
                usage.requests,
                usage.input_bytes,
                usage.output_bytes,
                n_created,
                n_scheduled,
                n_dispatched,
                n_delivered,
                n_failed
            ],
        )?;
        if n_rows == 1 { Ok(()) } else { Err(Error::UnknownAccount(account)) }
    }
}
