//! The HTTP client of pixaven. This crate opens every outbound connection of the server.
//!
//! The client [`Net`] has two operations:
//!
//! * [`Net::post`] sends one POST request under one deadline and does not follow redirects. Webhooks use it.
//! * [`Net::fetch`] downloads a whole document with a size limit and follows redirects. Image sources use it.
//!
//! Invariants:
//!
//! * No other code of a running server opens an outbound connection. `dial.rs` is the only file of this crate
//!   that calls `TcpStream::connect`.
//! * The address that was checked is the address that is dialled. The [`AddressPolicy`] checks each IP
//!   address after the host name is resolved, and no second lookup follows. This also holds for every
//!   redirect.
//! * A [`Proxy`] receives the checked IP address and never the host name, so it cannot resolve the name
//!   differently. The address of the proxy itself is not checked, because the configuration names it.
//! * Every operation has a deadline, and every buffer has a size limit.
//!
//! The crate uses hyper's connections directly instead of a ready-made client. The address check and the
//! timings of each phase ([`PhaseTimings`]) need control over the lookup, the connect and the TLS handshake.
//!
//! Not in this crate: the content of a request, the time at which it is sent, and the meaning of its result.
//! The server decides these in `delivery` (webhooks) and `work::source` (image sources).

mod connection;
mod content_disposition;
mod content_encoding;
mod deny_rule;
mod dial;
mod error;
mod exchange;
mod fetch;
pub mod file_name;
mod metered_stream;
mod network;
mod policy;
mod pool;
mod ports;
mod proxy;
mod request;
mod target;
mod timings;
mod tls;
mod tls_failure;
mod zstd_stream;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

pub use deny_rule::{DenyRule, InvalidDenyRule};
pub use error::{BlockedBy, EncodingError, NetError, ProxyError};
pub use exchange::{Exchange, HttpResponse};
pub use fetch::{FetchLimits, FetchedDocument, ReserveBytes};
pub use network::{InvalidNetwork, Network};
pub use policy::AddressPolicy;
pub use ports::{InvalidPortRule, PortRule, PortRules};
pub use proxy::{CredentialsError, InvalidProxyAddress, Proxy, ProxyAddress};
pub use timings::PhaseTimings;
pub use tls::TlsSetupError;
pub use tls_failure::{TlsFailure, TlsReason};

/// The largest number of DNS lookups that may run at the same time. Each lookup blocks one thread in the
/// system's resolver, and nothing can interrupt a lookup.
const MAX_LOOKUPS: usize = 64;

/// The settings of a [`Net`], taken from the configuration.
#[derive(Debug, Clone, Default)]
pub struct NetSettings {
    /// The rule that says which addresses the client may connect to.
    pub policy: AddressPolicy,
    /// The path of a PEM file with certificates that the client trusts in addition to the system's
    /// certificate authorities. The file may contain certificate authorities and certificates of single
    /// servers.
    pub extra_ca_file: Option<PathBuf>,
    /// The proxy that all connections go through. `None` means direct connections.
    pub proxy: Option<Proxy>,
}

/// The client for outbound HTTP. A clone is cheap and shares the connection pool with the original.
#[derive(Clone)]
pub struct Net {
    inner: Arc<Inner>,
}

struct Inner {
    policy: AddressPolicy,
    proxy: Option<Proxy>,
    tls: TlsConnector,
    lookups: Arc<Semaphore>,
    pool: pool::Pool,
}

impl Net {
    /// Creates a client and loads the trusted certificate authorities. Creating a client opens no connection.
    ///
    /// Fails when the extra file of certificate authorities is unusable or when TLS cannot be set up.
    pub fn new(settings: NetSettings) -> Result<Self, TlsSetupError> {
        let tls = tls::connector(settings.extra_ca_file.as_deref())?;
        let inner = Inner {
            policy: settings.policy,
            proxy: settings.proxy,
            tls,
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            pool: pool::Pool::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Closes pooled connections whose idle time is over. This future never completes.
    ///
    /// The pool never reuses an expired connection, even when nobody polls this future. If nobody polls this
    /// future, an expired connection stays open until a later exchange removes the connection.
    pub async fn close_idle_connections(&self) {
        self.inner.pool.close_idle().await;
    }
}
