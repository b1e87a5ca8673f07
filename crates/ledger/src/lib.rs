//! The durable truth.
