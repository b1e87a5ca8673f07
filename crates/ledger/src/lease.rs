//! Work that somebody holds for a while, and how it is given back.

use crate::model::account::AccountId;
use crate::model::webhook::DueWebhook;

/// A piece of work that belongs to the holder of this value until `until_ms`.
///
/// There is one at a time: it cannot be cloned, and every write behind it names its fence, so that a holder who
/// lost it cannot touch what another holder does now.
#[derive(Debug)]
pub struct Lease<T> {
    /// The work.
    pub value: T,
    /// Grows with every claim of the same work.
    pub fence: i64,
    /// When the work may be given to somebody else.
    pub until_ms: i64,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The row that is held.
    pub(crate) no: i64,
}

/// What a write behind a webhook's lease has to name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) no: i64,
    pub(crate) fence: i64,
    pub(crate) attempt: u32,
    pub(crate) account: AccountId,
}

impl Lease<DueWebhook> {
    pub(crate) fn held(&self) -> Held {
        Held { no: self.no, fence: self.fence, attempt: self.attempt, account: self.value.account }
    }
}

/// Why a job is given back unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The server stops. The try does not count.
    Stopped,
    /// Its worker died. The try counts.
    Crashed,
    /// It cannot be done now through no fault of its own. The try does not count.
    Later {
        /// How long it has to wait.
        after_ms: i64,
    },
}

/// What an earlier process left in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Jobs that were being processed.
    pub n_jobs: u64,
    /// Webhooks that were being sent.
    pub n_webhooks: u64,
}
