//! Integration tests of the server: the API, the real `pixaven` binary, and outbound HTTP requests.

mod accepted_requests;
mod api;
mod binary;
mod busy_ledger;
mod command_line;
mod corpus;
mod cut_off_images;
mod dead_network;
mod demo;
mod downloads;
mod idempotency;
mod image_workers;
mod layers;
mod names;
mod network_policy;
mod official_clients;
mod process_command;
mod python_client;
mod strangers;
mod test_app;
mod test_images;
mod watermarks;
mod webhook_delivery;
mod webhook_management;
mod webhook_proxy;
