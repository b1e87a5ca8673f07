//! The trust in other people's servers: the system's certificate authorities, and those of one more file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use url::Host;

/// Why outbound TLS cannot be set up; the server then does not start.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The extra file cannot be read, or is not PEM.
    #[error("cannot read certificates from {}", path.display())]
    ExtraFile {
        /// The file named in the configuration.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The extra file holds something that is not a certificate authority.
    #[error("{} holds no usable certificate authority", path.display())]
    NoAuthority {
        /// The file named in the configuration.
        path: PathBuf,
    },
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Library(#[from] rustls::Error),
}

/// Loads the roots. A system without any is not an error: plain HTTP and the extra file still work.
pub(super) fn connector(extra_ca_file: Option<&Path>) -> Result<TlsConnector, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() && extra_ca_file.is_none() {
        tracing::warn!("this system trusts no certificate authority: every https URL will fail");
    }
    if let Some(path) = extra_ca_file {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsSetupError> {
    let unreadable = |source| TlsSetupError::ExtraFile { path: path.to_owned(), source };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable)?;
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(TlsSetupError::NoAuthority { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// The name the peer's certificate has to carry.
pub(super) fn server_name(host: &Host<String>) -> Result<ServerName<'static>, InvalidDnsNameError> {
    match host {
        // A trailing dot marks a name as complete for the resolver; certificates never carry it.
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()),
        Host::Ipv4(address) => Ok(ServerName::from(std::net::IpAddr::V4(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(std::net::IpAddr::V6(*address))),
    }
}
