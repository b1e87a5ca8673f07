//! Leases on jobs and webhooks, and the reasons for which a job returns to the queue.

use crate::model::account::AccountId;
use crate::model::webhook::DueWebhook;

/// A lease: a piece of work (a job or a webhook) that belongs to the holder of this value until `until_ms`.
///
/// At most one lease on a piece of work is valid. A lease cannot be cloned, and every write under a lease
/// names its fencing token. A holder that has lost its lease therefore cannot change work that another holder
/// has leased since then.
#[derive(Debug)]
pub struct Lease<T> {
    /// The leased job or webhook.
    pub value: T,
    /// The fencing token, a number that grows with every claim of the same work.
    pub fence: i64,
    /// The time at which the lease ends. From this time on, another claim may take the work.
    pub until_ms: i64,
    /// For a webhook: the number of the attempt, counted from 1. For a job: the number of earlier crashes
    /// plus 1.
    pub attempt: u32,
    /// The sequence number of the leased row.
    pub(crate) seq: i64,
}

/// The values that identify the row of a leased webhook and the row of its open attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseKey {
    pub(crate) seq: i64,
    pub(crate) fence: i64,
    pub(crate) attempt: u32,
    pub(crate) account: AccountId,
}

impl Lease<DueWebhook> {
    pub(crate) fn key(&self) -> LeaseKey {
        LeaseKey { seq: self.seq, fence: self.fence, attempt: self.attempt, account: self.value.account }
    }
}

/// The reason why an unfinished job returns to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReason {
    /// The server stops. The run does not count as a crash.
    Stopped,
    /// The worker process of the job died. The run counts as a crash.
    Crashed,
    /// The job cannot run now, but the job itself is not the cause. The run does not count as a crash.
    Postponed {
        /// The time until the job is due again, in milliseconds.
        delay_ms: i64,
    },
}

/// How many leases of an earlier process [`Ledger::recover`](crate::Ledger::recover) has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The number of jobs that the earlier process was processing.
    pub n_jobs: u64,
    /// The number of webhooks that the earlier process was sending.
    pub n_webhooks: u64,
}
