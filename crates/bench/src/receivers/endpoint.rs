//! The endpoint to which the tool `receivers` sends the webhooks of a case: a receiver that runs a script, or
//! an address without a receiver.

use std::sync::Arc;

use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action;
use tokio_rustls::rustls::ServerConfig;

/// What listens at the address to which a webhook is sent.
pub(super) enum Endpoint {
    /// No program listens at the address, so that connections are refused.
    ClosedPort,
    /// The address policy of the server forbids connections to this address.
    ForbiddenAddress,
    /// A receiver with a list of scripts. Its first connection runs the first script, its second connection
    /// runs the second script, and so on. All connections after the last script run the last script again.
    Http(Vec<Vec<Action>>),
    /// A receiver with an `https` URL. It runs its script without a TLS handshake.
    HttpsWithoutTls(Vec<Action>),
    /// A receiver with an `https` URL. It runs its script after a TLS handshake.
    Https(Arc<ServerConfig>, Vec<Action>),
}

/// An endpoint that can be used: its receiver listens, or its port is closed.
pub(super) struct RunningEndpoint {
    pub(super) url: String,
    receiver: Option<ScriptedReceiver>,
    /// Keeps the closed port reserved, so that no other program can listen on it.
    _closed_port: Option<ClosedPort>,
}

impl RunningEndpoint {
    pub(super) fn start(endpoint: Endpoint) -> Self {
        let without_receiver = |url| Self { url, receiver: None, _closed_port: None };
        let with_receiver = |url, receiver| Self { receiver: Some(receiver), ..without_receiver(url) };
        match endpoint {
            Endpoint::ClosedPort => {
                let port = ClosedPort::reserve();
                let url = format!("http://{}/", port.address);
                Self { _closed_port: Some(port), ..without_receiver(url) }
            }
            Endpoint::ForbiddenAddress => without_receiver("http://[::1]:9/".to_owned()),
            Endpoint::Http(scripts) => {
                let receiver = ScriptedReceiver::start(scripts);
                with_receiver(receiver.url("/").into(), receiver)
            }
            Endpoint::HttpsWithoutTls(script) => {
                let receiver = ScriptedReceiver::start(vec![script]);
                with_receiver(format!("https://{}/", receiver.address), receiver)
            }
            Endpoint::Https(config, script) => {
                let receiver = ScriptedReceiver::start_tls(config, vec![script]);
                with_receiver(receiver.https_url("/").into(), receiver)
            }
        }
    }

    /// Returns the number of connections that the receiver has accepted.
    pub(super) fn n_connections(&self) -> usize {
        self.receiver.as_ref().map_or(0, ScriptedReceiver::n_connections)
    }
}
