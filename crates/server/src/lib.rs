//! The server: API, image workers, webhook delivery and command line of pixaven. `main.rs` only calls
//! [`cli::main`]; everything lives in the library so that the integration tests drive the same parts.

pub mod blobs;
pub mod config;
pub mod error;
pub mod keys;
pub mod lifecycle;
pub mod net;
pub mod spelling;
