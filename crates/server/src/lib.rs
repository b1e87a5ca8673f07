//! The server: API, image workers, webhook delivery and command line of pixaven. `main.rs` only calls
//! [`cli::main`]; everything lives in the library so that the integration tests drive the same parts.
//!
//! The modules are layers. A module imports only from those to its right: `cli` > `app` > `api`, `jobs`,
//! `sweep` > `delivery` > `work` > `runtime`. `tests/it/layers.rs` checks every import.

pub mod api;
pub mod app;
pub mod cli;
pub mod delivery;
#[cfg(test)]
mod documentation;
pub mod jobs;
pub mod runtime;
pub mod sweep;
pub mod work;
