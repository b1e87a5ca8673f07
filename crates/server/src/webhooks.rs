//! Webhooks on their way out: the driver that sends what is due, the signature they carry, and how their history
//! looks on the wire.
//!
//! What a webhook is, when it is due and what may follow an attempt is the ledger's; how a POST is made, `net`'s.

mod delivery;
pub mod history;
mod hold;
mod message;
mod note;
pub mod sign;
mod signers;
mod trial;
mod under_way;
mod verdict;

pub use delivery::{Dispatcher, WebhookSettings};
