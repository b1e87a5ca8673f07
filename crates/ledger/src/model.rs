//! The types of the values that callers pass to the ledger and receive from the ledger. The allowed changes
//! of a webhook's status are defined in `state.rs`, not in these types.

pub(crate) mod account;
pub(crate) mod authority;
pub(crate) mod node;
pub(crate) mod request;
pub(crate) mod sealed;
pub(crate) mod watermark;
pub(crate) mod webhook;
