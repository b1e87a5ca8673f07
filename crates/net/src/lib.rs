//! All outbound HTTP. Nothing else in this server opens a connection.
//!
//! Two things are offered: [`Net::post`], one exchange under one deadline whose verdict is the status line (webhooks),
//! and [`Net::fetch`], a whole document under a cap, redirects included (sources). Both dial through `dial`, where each
//! address is judged by the [`AddressPolicy`] after resolution and the address judged is the address connected to.
//! That, and timings per phase, is why this is built on hyper's connections and not on a ready-made client. A [`Proxy`] on
//! the way is told the address that was judged.
//!
//! Not here: what is sent, when, and what an outcome means (`webhooks`, `source`).

mod connection;
mod content_disposition;
mod dial;
mod error;
mod exchange;
mod fetch;
pub mod file_name;
mod policy;
mod pool;
mod proxy;
mod request;
mod target;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

pub use error::NetError;
pub use exchange::{Answer, Exchange, PhaseTimings};
pub use fetch::{FetchLimits, Fetched, Room};
pub use policy::{AddressPolicy, IpNetwork, NotANetwork};
pub use proxy::{CredentialsError, NotAProxy, Proxy, ProxyAddress, ProxyError};
pub use tls::TlsSetupError;

/// Lookups the system's resolver works on at the same time. It blocks a thread for each, for as long as it likes.
const MAX_LOOKUPS: usize = 64;

/// What the configuration says about outbound connections.
#[derive(Debug, Clone, Default)]
pub struct NetSettings {
    /// Which addresses may be dialled.
    pub policy: AddressPolicy,
    /// PEM file with certificate authorities to trust besides the system's.
    pub extra_ca_file: Option<PathBuf>,
    /// What all connections go through.
    pub proxy: Option<Proxy>,
}

/// The client for everything outbound. Cheap to clone; all clones share connections.
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
    /// Loads the trusted roots, once; opens nothing.
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

    /// Closes connections that were idle for too long, as long as it is polled; never completes. Without it they are
    /// never used again either, but stay open until the next exchange.
    pub async fn close_idle_connections(&self) {
        self.inner.pool.close_idle().await;
    }
}
