//! The authority of a webhook URL, by which the ledger counts and pauses deliveries.

use pixaven_ledger::Authority;
use url::Url;

/// The host and port of an http or https URL. The default port of the scheme stands for a missing port.
pub fn authority_of(url: &Url) -> Authority {
    let host = url.host_str().expect("an http URL has a host");
    let port = url.port_or_known_default().expect("http and https have a default port");
    Authority::new(host, port)
}
