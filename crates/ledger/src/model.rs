//! The values that go into and come out of the ledger. They carry no behaviour beyond naming themselves; what
//! may follow what is in `state.rs`.

pub(crate) mod account;
pub(crate) mod request;
pub(crate) mod watermark;
pub(crate) mod webhook;
