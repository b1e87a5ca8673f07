//! Leases on jobs and webhooks, and the reasons for which a job returns to the queue.

use crate::model::account::AccountId;
use crate::model::webhook::DueWebhook;

/// A piece of work that belongs to the holder of this value until `until_ms`.
///
/// At most one lease on a piece of work is valid. A lease cannot be cloned, and every write under a lease
/// names its fencing token. A holder that has lost its lease therefore cannot change the work of the next
/// holder.
#[derive(Debug)]
pub struct Lease<T> {
    /// The work.
    pub value: T,
    /// The fencing token. It grows with every claim of the same work.
    pub fence: i64,
    /// The time at which the lease ends. From then on another claim may take the work.
    pub until_ms: i64,
    /// For a webhook: the number of the attempt, counted from 1. For a job: the number of crashes plus 1.
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
    /// The worker of the job died. The run counts as a crash.
    Crashed,
    /// The job cannot run now, for a reason that does not lie in the job. The run does not count as a crash.
    Postponed {
        /// The time until the job is due again, in milliseconds.
        delay_ms: i64,
    },
}

/// The numbers of leases of an earlier process that [`Ledger::recover`](crate::Ledger::recover) has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The number of jobs that were being processed.
    pub n_jobs: u64,
    /// The number of webhooks that were being sent.
    pub n_webhooks: u64,
}
