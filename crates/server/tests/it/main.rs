//! The server through its lasting boundaries: its API, its binary, what it sends to others.

mod accepted;
mod api;
mod binary;
mod busy;
mod command_line;
mod corpus;
mod demo;
mod idempotency;
mod interventions;
mod layers;
mod net;
mod official_clients;
mod pictures;
mod process;
mod proxied;
mod python_client;
mod test_app;
mod watermarks;
mod webhooks;
mod workers;
