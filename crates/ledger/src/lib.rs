//! The durable state of the server: accounts and keys, accepted requests, their jobs and webhooks, attempts,
//! leases.
//!
//! The ledger alone stores the requests and webhooks that the server has promised to process and to deliver.
//! When a method of [`Ledger`] returns `Ok`, its change is committed and flushed to disk. When a method
//! returns an error, nothing has changed, except where the method's documentation says otherwise. A change
//! and the queued work that results from the change are committed in one transaction. The queues therefore
//! always agree with the requests and webhooks.
//!
//! The ledger contains no code for HTTP, JSON or images, and stores no large files. It stores requests,
//! payloads and URLs as opaque strings.

mod backup;
mod check;
mod clock;
mod completion;
mod copy;
mod destination;
mod due_signal;
mod durable_directory;
mod error;
mod history;
mod lease;
mod ledger;
mod model;
pub mod schedule;
#[cfg(test)]
mod simulation;
mod sql;
mod state;

pub use backup::{BackupError, FileContent, NamedFile, back_up_ledger};
pub use check::{Violation, check_ledger};
pub use clock::{Clock, ManualClock};
pub use completion::CompletionWaiter;
pub use copy::{CopyError, CopyOutcome, CopyStep, TableDigest, copy_ledger};
pub use destination::{BreakerChange, BreakerEvent, DeliveryLimits, SendCapacity};
pub use due_signal::DueSignal;
pub use durable_directory::create_durable_directory;
pub use error::Error;
pub use history::{
    BulkResend, Cursor, MAX_COUNTED, MAX_PAGE_LEN, NextAttempt, RecordedAttempt, WebhookPage, WebhookQuery,
    WebhookRecord,
};
pub use lease::{Lease, RecoveryReport, ReleaseReason};
pub use ledger::{Ledger, LedgerStats, Store};
pub use model::account::{Account, AccountId, KeyInfo, NewKey, Secret, SecretInfo, Usage, UsageDelta};
pub use model::authority::Authority;
pub use model::node::{Heartbeat, NewNode, NodeInfo};
pub use model::request::{
    ExpiredResult, IdempotencyStatus, IdempotentRequest, InputRef, Job, JobOutcome, NewRequest, NewWebhook,
    StoredContent, StoredResult,
};
pub use model::sealed::{RequestSecrets, StoredSecret};
pub use model::watermark::{AddWatermarkOutcome, Watermark, WatermarkPage, WatermarkQuota};
pub use model::webhook::{
    Attempt, Disposition, DueReason, DueWebhook, FailureReason, Outcome, ParseError, Timings, WebhookStatus,
};
pub use sql::sqlite::erase_remains;
