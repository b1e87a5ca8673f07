//! The server through its lasting boundaries: its API, its binary, what it sends to others.

mod accepted;
mod api;
mod client;
mod corpus;
mod net;
mod official_clients;
mod pictures;
mod python_client;
mod receiver;
mod test_app;
mod webhooks;
mod workers;
