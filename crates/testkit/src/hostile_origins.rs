//! Image origins that misbehave: each answers a GET request in a way that costs the client time, memory or
//! processor time, or that confuses its parser. Tests and the load tool `origins` let the server under test
//! fetch from them.

mod bodies;
mod encodings;
mod heads;
mod redirects;
mod silence;
mod tls;

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use url::Url;

use crate::ports::ClosedPort;
use crate::receiver::ScriptedReceiver;
use crate::script::Action;
use crate::tls::CertificateAuthority;

/// The error word of an answer when the origin could not be reached, broke off, timed out or sent no HTTP.
const UNREACHABLE: &str = "source_unreachable";
/// The error word of an answer when the origin sent something that the server refuses.
const REFUSED: &str = "source_refused";
/// The error word of an answer when the origin sent too many bytes.
const TOO_LARGE: &str = "body_too_large";
/// The error word of an answer when the origin sent bytes that are no image.
const NO_IMAGE: &str = "format_unsupported";
/// The error word of an answer when the memory for images is used up.
const OVERLOADED: &str = "overloaded";

/// A hostile origin that does not run yet.
pub struct HostileOrigin {
    /// What the origin does, as a phrase such as `chunks of one byte`.
    pub name: &'static str,
    /// The error words of the API that are right for this origin. A fetch never succeeds.
    pub errors: &'static [&'static str],
    /// Whether the origin keeps the server waiting, so that the fetch ends only at its deadline.
    pub ends_at_deadline: bool,
    endpoint: Endpoint,
}

/// What listens at the address of an origin.
enum Endpoint {
    /// No program listens, so that connections are refused.
    ClosedPort,
    /// An `http` URL. Each connection runs the next script, and further connections run the last script.
    Http(Vec<Vec<Action>>),
    /// An `https` URL whose host runs its script without a TLS handshake.
    HttpsWithoutTls(Vec<Action>),
    /// An `https` URL whose host runs its script after a TLS handshake.
    Https(Arc<ServerConfig>, Vec<Action>),
}

/// A hostile origin that runs until the process ends.
pub struct RunningOrigin {
    /// The URL to fetch.
    pub url: Url,
    /// Keeps the closed port reserved, so that no other program can listen on it.
    _closed_port: Option<ClosedPort>,
}

/// Creates all hostile origins. `authority` signs the certificates of the origins with TLS, and the server
/// under test must trust it.
pub fn all(authority: &CertificateAuthority) -> Vec<HostileOrigin> {
    [
        silence::origins(),
        heads::origins(),
        bodies::origins(),
        encodings::origins(),
        redirects::origins(),
        tls::origins(authority),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Creates an origin with one script for every connection.
fn origin(name: &'static str, script: Vec<Action>, errors: &'static [&'static str]) -> HostileOrigin {
    at(name, Endpoint::Http(vec![script]), errors)
}

fn at(name: &'static str, endpoint: Endpoint, errors: &'static [&'static str]) -> HostileOrigin {
    HostileOrigin { name, errors, ends_at_deadline: false, endpoint }
}

/// Creates an origin that keeps the server waiting until the deadline of the fetch.
fn slow(name: &'static str, script: Vec<Action>) -> HostileOrigin {
    HostileOrigin { ends_at_deadline: true, ..origin(name, script, &[UNREACHABLE]) }
}

impl HostileOrigin {
    /// Starts the origin.
    pub fn start(self) -> RunningOrigin {
        let running = |url| RunningOrigin { url, _closed_port: None };
        match self.endpoint {
            Endpoint::ClosedPort => {
                let port = ClosedPort::reserve();
                let url = format!("http://{}/", port.address).parse().expect("an address makes a URL");
                RunningOrigin { url, _closed_port: Some(port) }
            }
            Endpoint::Http(scripts) => running(ScriptedReceiver::start(scripts).url("/")),
            Endpoint::HttpsWithoutTls(script) => {
                running(ScriptedReceiver::start(vec![script]).https_url("/"))
            }
            Endpoint::Https(config, script) => {
                running(ScriptedReceiver::start_tls(config, vec![script]).https_url("/"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_hostile_origin_has_a_name_of_its_own_and_an_expected_error() {
        let origins = all(&CertificateAuthority::new());
        let names: BTreeSet<_> = origins.iter().map(|origin| origin.name).collect();
        assert_eq!(names.len(), origins.len());
        assert!(origins.iter().all(|origin| !origin.errors.is_empty()));
    }
}
