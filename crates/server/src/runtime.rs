//! Code that every layer may use and that depends on no other layer: the configuration, the background tasks
//! and how they are stopped, the log, and small in-memory helpers for the drivers of jobs and of webhooks.

pub mod config;
pub mod lifecycle;
pub mod permits;
pub mod spelling;
pub mod telemetry;
pub mod ttl_cache;
