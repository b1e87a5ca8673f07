//! What every layer may use and what depends on none of them: the configuration, the tasks and their stop, the log, and
//! small in-memory helpers of the drivers.

pub mod config;
pub mod host_syntax;
pub mod lifecycle;
pub mod permits;
pub mod spelling;
pub mod telemetry;
pub mod ttl_cache;
