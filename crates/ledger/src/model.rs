//! The values that callers pass to the ledger and get from it. They contain no rules about what may follow;
//! the allowed transitions are in `state.rs`.

pub(crate) mod account;
pub(crate) mod authority;
pub(crate) mod request;
pub(crate) mod watermark;
pub(crate) mod webhook;
