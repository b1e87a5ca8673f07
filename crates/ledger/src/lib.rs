//! The durable truth: accounts and keys, accepted requests, their jobs and webhooks, attempts, leases.
//!
//! Everything the server has promised stands here and nowhere else. A method of [`Ledger`] that returns `Ok`
//! has been committed and flushed; one that returns an error has changed nothing, except where its
//! documentation says otherwise. State and what follows from it change in one transaction: there is no second
//! queue that could disagree.
//!
//! What does not live here: HTTP, JSON, images, large files. Requests, payloads and URLs are opaque strings.

mod clock;
mod destination;
mod error;
mod finished;
mod history;
mod lease;
mod ledger;
mod model;
pub mod schedule;
#[cfg(test)]
mod simulation;
mod sql;
mod state;
mod wake;

pub use clock::{Clock, ManualClock};
pub use destination::{Fairness, Room};
pub use error::Error;
pub use finished::Finishing;
pub use history::{
    BulkResend, COUNT_LIMIT, Cursor, NextAttempt, PAGE_LIMIT, RecordedAttempt, WebhookPage, WebhookQuery,
    WebhookRecord,
};
pub use lease::{Lease, Recovered, Release};
pub use ledger::{Ledger, Stats, Store};
pub use model::account::{Account, AccountId, KeyInfo, NewKey, Secret, SecretInfo, Usage, UsageDelta};
pub use model::request::{
    Content, ExpiredResult, InputRef, Job, JobDone, Named, NamedRequest, NewRequest, NewWebhook, StoredResult,
};
pub use model::watermark::{Watermark, WatermarkAdded, WatermarkPage, WatermarkQuota};
pub use model::webhook::{Attempt, DueWebhook, Next, Outcome, Timings, UnknownWord, WebhookStatus, Why};
pub use wake::DueSignal;
