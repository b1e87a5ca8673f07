//! Webhook delivery: the dispatcher that sends due webhooks, the signature of a webhook, and the consequences
//! of a receiver's response.
//!
//! The ledger decides what a webhook contains, when a webhook is due and what may follow an attempt. The
//! crate `pixaven_net` sends the POST request.

mod authority;
mod dispatcher;
mod in_flight;
mod ledger_update;
mod message;
mod running_tests;
pub mod signing;
mod signing_keys;
mod test_delivery;
mod trouble_pause;
mod verdict;

pub use authority::authority_of;
pub use dispatcher::{Dispatcher, DispatcherSettings};
pub use signing_keys::SigningKeyError;
pub use test_delivery::{TestDelivery, TestDeliveryError, TestTarget};
