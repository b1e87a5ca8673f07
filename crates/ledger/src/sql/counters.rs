//! The stored counters of an account: the usage of the account, and the number of its webhooks in each
//! status.

use std::collections::BTreeMap;

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
    ADD[concat!("of_account, ", counter_columns!())] =
        "UPDATE counters
         SET requests = counters.requests + v.requests, input_bytes = counters.input_bytes + v.input_bytes,
             output_bytes = counters.output_bytes + v.output_bytes,
             n_created = counters.n_created + v.n_created,
             n_scheduled = counters.n_scheduled + v.n_scheduled,
             n_dispatched = counters.n_dispatched + v.n_dispatched,
             n_delivered = counters.n_delivered + v.n_delivered, n_failed = counters.n_failed + v.n_failed
         FROM {rows} WHERE account = v.of_account";
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
        let mut deltas = Deltas::default();
        deltas.add(account, self);
        deltas.apply(tx)
    }

    fn plus(self, other: Self) -> Self {
        let UsageDelta { requests, input_bytes, output_bytes } = other.usage;
        let mut sum = self;
        sum.usage.requests += requests;
        sum.usage.input_bytes += input_bytes;
        sum.usage.output_bytes += output_bytes;
        for (n, more) in sum.webhooks.iter_mut().zip(other.webhooks) {
            *n += more;
        }
        sum
    }
}

/// Changes to the counters of several accounts, which are stored together.
#[derive(Debug, Default)]
pub(super) struct Deltas(BTreeMap<AccountId, Delta>);

impl Deltas {
    /// Adds a change to the changes of an account.
    pub(super) fn add(&mut self, account: AccountId, delta: Delta) {
        let sum = self.0.entry(account).or_default();
        *sum = sum.plus(delta);
    }

    /// Adds all changes to the stored counters. Fails with [`Error::UnknownAccount`] if there is one account,
    /// and this account does not exist.
    pub(super) fn apply(self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let rows: Vec<_> = self.0.iter().map(|(account, delta)| Params::of(account).and(delta)).collect();
        let n_rows = tx.execute_all(&ADD, &rows)?;
        match self.0.keys().next() {
            Some(account) if n_rows == 0 && rows.len() == 1 => Err(Error::UnknownAccount(*account)),
            _ if n_rows == rows.len() as u64 => Ok(()),
            _ => Err(Error::Corrupt(format!("{} accounts of {} have counters", n_rows, rows.len()))),
        }
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
