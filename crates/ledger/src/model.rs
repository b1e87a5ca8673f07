//! The values that callers pass to the ledger and get from it. These types do not define which changes of a
//! status are allowed; `state.rs` does.

pub(crate) mod account;
pub(crate) mod authority;
pub(crate) mod request;
pub(crate) mod watermark;
pub(crate) mod webhook;
