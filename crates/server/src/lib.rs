//! The server: API, image workers, webhook delivery and command line of pixaven. `main.rs` only calls
//! [`cli::main`]; everything lives in the library so that the integration tests drive the same parts.

pub mod app;
pub mod blobs;
pub mod cli;
pub mod config;
#[cfg(test)]
mod documentation;
pub mod driver;
pub mod error;
pub mod file_name;
pub mod http;
pub mod jobs;
pub mod keys;
pub mod lifecycle;
pub mod net;
pub mod pipeline;
pub mod remembered;
pub mod request;
pub mod response;
pub mod sandbox;
pub mod source;
pub mod spelling;
pub mod sweep;
pub mod telemetry;
pub mod watermarks;
pub mod webhooks;
