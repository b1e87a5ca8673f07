//! Where the webhooks of a catalogue case are sent: a scripted receiver, or an address without one.

use std::sync::Arc;

use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::Action;
use tokio_rustls::rustls::ServerConfig;

/// What listens at the address of a webhook.
pub(super) enum Endpoint {
    /// Nothing: connections are refused.
    ClosedPort,
    /// An address that the server's address policy forbids.
    ForbiddenAddress,
    /// A receiver that runs the first script on the first connection, and so on; the last one on all after
    /// that.
    Http(Vec<Vec<Action>>),
    /// A receiver behind an `https` URL that runs its script without TLS.
    HttpsWithoutTls(Vec<Action>),
    /// A receiver that runs its script behind a TLS handshake.
    Https(Arc<ServerConfig>, Vec<Action>),
}

/// An endpoint that accepts or refuses connections now.
pub(super) struct RunningEndpoint {
    pub(super) url: String,
    receiver: Option<ScriptedReceiver>,
    /// Keeps other programs from listening on the port.
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

    /// How many connections were accepted so far.
    pub(super) fn n_connections(&self) -> usize {
        self.receiver.as_ref().map_or(0, ScriptedReceiver::n_connections)
    }
}
