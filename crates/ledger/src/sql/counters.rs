//! The stored counters of an account: the usage of the account, and the number of its webhooks in each
//! status.

use super::columns::ToColumns;
use super::row::FromRow;
use super::{Params, Row, Tx, columns, params, statements};
use crate::error::Error;
use crate::model::account::{AccountId, Usage, UsageDelta};
use crate::model::webhook::WebhookStatus;
use crate::state::Transition;

columns! { UsageDelta as usage_columns, write { requests, input_bytes, output_bytes } }
columns! {
    counter_columns { usage: usage_columns, n_created, n_scheduled, n_dispatched, n_delivered, n_failed }
}

statements! {
    ADD_TO_COUNTERS = concat!("UPDATE counters SET ", counter_columns!(add), " WHERE account = ?");
    READ = concat!("SELECT ", counter_columns!(), " FROM counters WHERE account = ?1");
}

/// Returns the counters of an account, or `None` if the account does not exist.
pub(super) fn read(tx: &mut Tx<'_>, account: AccountId) -> Result<Option<Usage>, Error> {
    tx.query_optional(&READ, params![account])
}

/// A change to the counters of one account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delta {
    usage: UsageDelta,
    /// The changes in the number of webhooks, one for each status in the order of [`WebhookStatus::ALL`].
    webhooks: [i64; WebhookStatus::ALL.len()],
}

impl Delta {
    pub(super) fn with_usage(self, usage: UsageDelta) -> Self {
        Self { usage, ..self }
    }

    /// Adds `n` to the change in the number of webhooks in a status. `n` may be negative.
    pub(super) fn with(mut self, status: WebhookStatus, n: i64) -> Self {
        self.webhooks[status as usize] += n;
        self
    }

    pub(super) fn with_transition(self, transition: &Transition) -> Self {
        self.with(transition.from, -1).with(transition.to.status(), 1)
    }

    /// Adds these changes to the stored counters of the account.
    pub(super) fn apply(self, tx: &mut Tx<'_>, account: AccountId) -> Result<(), Error> {
        let n_rows = tx.execute(&ADD_TO_COUNTERS, Params::of(&self).and(&account).as_slice())?;
        if n_rows == 1 { Ok(()) } else { Err(Error::UnknownAccount(account)) }
    }
}

impl ToColumns for Delta {
    fn bind<'a>(&'a self, params: &mut Params<'a>) {
        self.usage.bind(params);
        for n in &self.webhooks {
            n.bind(params);
        }
    }
}

impl FromRow for Usage {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            requests: row.take()?,
            input_bytes: row.take()?,
            output_bytes: row.take()?,
            webhooks: WebhookStatus::ALL
                .into_iter()
                .map(|status| Ok((status, row.take()?)))
                .collect::<Result<_, Error>>()?,
        })
    }
}
