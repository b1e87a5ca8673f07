//! Test doubles and clients that the server's tests and the load tools share: scripted receivers, image
//! origins, buckets, a forward proxy, a DNS server, closed ports, network namespaces, TLS certificates, a byte-exact HTTP
//! client, multipart bodies, and child processes.
//!
//! No shipped program depends on this crate. A function without a `Result` panics when the machine cannot
//! provide a resource that every test machine has, such as a free port.

pub mod bucket;
pub mod forbidden_hosts;
pub mod hostile_origins;
pub mod http_server;
pub mod image_origin;
pub mod module_graph;
pub mod multipart;
pub mod name_server;
pub mod network_namespace;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod request;

mod runtime;
pub mod script;
pub mod tcp_proxy;
pub mod tls;
pub mod wire_client;
