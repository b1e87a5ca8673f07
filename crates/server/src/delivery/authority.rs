//! The authority (`host:port`) of a webhook URL. The ledger limits and pauses deliveries separately for each
//! authority.

use pixaven_ledger::Authority;
use url::Url;

/// Returns the host and the port of an `http` or `https` URL. If the URL has no port, the result has the
/// default port of its scheme.
pub fn authority_of(url: &Url) -> Authority {
    let host = url.host_str().expect("an http URL has a host");
    let port = url.port_or_known_default().expect("http and https have a default port");
    Authority::new(host, port)
}
