//! The HTTP client of pixaven. This crate opens every outbound connection of the server.
//!
//! The client [`Net`] has these operations:
//!
//! * [`Net::send`] sends one request under one deadline and does not follow redirects. The buckets of customers use
//!   it. [`Net::post`] is the same for POST. Webhooks use it.
//! * [`Net::open`] sends one request and hands out the body of the response piece by piece. The server's own bucket
//!   uses it.
//! * [`Net::fetch`] downloads a whole document with a size limit and follows redirects. Image sources use it.
//!
//! Invariants:
//!
//! * No other code of a running server opens an outbound connection. `dial.rs` is the only file of this crate
//!   that calls `TcpStream::connect`. The crate `hickory-resolver` opens the connections to the configured name
//!   servers.
//! * The address that was checked is the address that is dialled. The [`AddressPolicy`] checks each IP
//!   address after the host name is resolved, and no second lookup follows. This also holds for every
//!   redirect.
//! * A [`Proxy`] receives the checked IP address and never the host name, so it cannot resolve the name
//!   differently. The address of the proxy itself is not checked, because the configuration names it.
//! * Every operation has a deadline, and every buffer has a size limit. The time in which an operation waits
//!   for a free resource of this machine does not count towards the deadline.
//!
//! The crate uses hyper's connections directly instead of a ready-made client. The address check and the
//! timings of each phase ([`PhaseTimings`]) need control over the lookup, the connect and the TLS handshake.
//!
//! Not in this crate: the content of a request, the time at which it is sent, and the meaning of its result.
//! The server decides these in `delivery` (webhooks) and `work::source` (image sources).

mod body;
mod brotli_stream;
mod connection;
mod content_disposition;
mod content_encoding;
mod deadline;
mod deny_rule;
mod dial;
mod error;
mod exchange;
mod fetch;
pub mod file_name;
mod lookup_failure;
mod metered_stream;
mod name_server;
mod network;
mod own_addresses;
mod paced_stream;
mod piece_limit;
mod policy;
mod pool;
mod ports;
mod proxy;
mod request;
mod resolver;
mod streamed;
mod target;
mod timings;
mod tls;
mod tls_failure;
mod zstd_stream;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use deadline::Deadline;
use lookup_failure::LookupError;
use own_addresses::OwnAddresses;
use resolver::Resolver;
use timings::{ExchangeTrace, Phase};

pub use body::HoldBytes;
pub use deny_rule::{DenyRule, InvalidDenyRule};
pub use error::{BlockedBy, EncodingError, NetError, ProxyError};
pub use exchange::{Exchange, HttpResponse};
pub use fetch::{FetchLimits, FetchedDocument};
pub use lookup_failure::LookupFailure;
pub use name_server::{InvalidNameServer, NameServer};
pub use network::{InvalidNetwork, Network};
pub use paced_stream::PacedStream;
pub use piece_limit::{PieceLimit, TooManyPieces};
pub use policy::AddressPolicy;
pub use ports::{InvalidPortRule, PortRule, PortRules};
pub use proxy::{CredentialsError, InvalidProxyAddress, Proxy, ProxyAddress};
pub use resolver::ResolverSettings;
pub use streamed::{StreamedBody, StreamedResponse};
pub use timings::PhaseTimings;
pub use tls::TlsSetupError;
pub use tls_failure::{TlsFailure, TlsReason};

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
    /// The addresses of the name servers, and the paths of `resolv.conf` and the hosts file.
    pub resolver: ResolverSettings,
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
    resolver: Resolver,
    own_addresses: OwnAddresses,
    pool: pool::Pool,
    /// The permits for decoding compressed bodies.
    decoding: Semaphore,
}

/// Returns how many compressed bodies may be decoded at the same time: as many as half of the processors, so
/// that the other half of the processors serves connections.
fn n_decoders() -> usize {
    std::thread::available_parallelism().map_or(1, |n_cores| n_cores.get().div_ceil(2))
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
            resolver: Resolver::new(settings.resolver),
            own_addresses: OwnAddresses::read(),
            pool: pool::Pool::default(),
            decoding: Semaphore::new(n_decoders()),
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

impl Inner {
    /// The error of an operation that did not end before its deadline.
    async fn error_after_deadline(&self, deadline: &Deadline, trace: &ExchangeTrace) -> NetError {
        if deadline.is_spent_on_waits() {
            NetError::from_lookup(LookupError::Failed(LookupFailure::NoRoom))
        } else {
            match trace.phase {
                Phase::Lookup => self.resolver.error_of_slow_lookup().await,
                Phase::Connect => self.resolver.network_fault().await.unwrap_or(NetError::Timeout),
                Phase::Other => NetError::Timeout,
            }
        }
    }
}
