//! The server: API, image workers, webhook delivery and command line of pixaven. `main.rs` only calls
//! [`cli::main`]. All other code is in this library, so that the integration tests can call it.
//!
//! The modules are layers. In the following list, a module imports only from the modules after its own
//! layer: first `cli`, then `app`, then `api`, `jobs`, `node` and `sweep`, then `delivery`, then `work`, and last
//! `runtime`. The test `tests/it/layers.rs` checks every import.

pub mod api;
pub mod app;
pub mod cli;
pub mod delivery;
#[cfg(test)]
mod documentation;
pub mod jobs;
pub mod node;
pub mod runtime;
pub mod sweep;
pub mod work;
