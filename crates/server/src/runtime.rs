//! Code that every layer of the server may use and that depends on no other layer: the configuration, the
//! background tasks and how they are stopped, the threads for long computations, the log, and small in-memory
//! helpers for the drivers of jobs and of webhooks.

pub mod allocator;
pub mod blocking;
pub mod config;
pub mod host_syntax;
pub mod lifecycle;
pub mod permits;
pub mod seal;
pub mod spelling;
pub mod telemetry;
pub mod ttl_cache;
