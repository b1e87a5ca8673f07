//! TLS for outbound connections. The client trusts the system's certificate authorities and those of one
//! configured file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use url::Host;

/// The reason why outbound TLS cannot be set up. The server does not start in this case.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The extra file of certificate authorities cannot be read, or is not PEM.
    #[error("cannot read certificates from {}", path.display())]
    Unreadable {
        /// The file named in the configuration.
        path: PathBuf,
        /// The error of the file system or of the PEM parser.
        source: pem::Error,
    },
    /// The extra file contains no usable certificate authority.
    #[error("{} holds no usable certificate authority", path.display())]
    NoCertificateAuthority {
        /// The file named in the configuration.
        path: PathBuf,
    },
    /// The TLS library refuses its default protocol versions.
    #[error("TLS cannot be set up")]
    Library(#[from] rustls::Error),
}

/// Loads the trusted certificate authorities. A system without any is no error, because plain HTTP and the
/// extra file still work.
pub(crate) fn connector(extra_ca_file: Option<&Path>) -> Result<TlsConnector, TlsSetupError> {
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
        add_roots_of_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Adds the certificate authorities of a PEM file to `roots`. Fails when the file contains none.
fn add_roots_of_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsSetupError> {
    let unreadable = |source| TlsSetupError::Unreadable { path: path.to_owned(), source };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable)?;
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(TlsSetupError::NoCertificateAuthority { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// The name that the peer's certificate must contain.
pub(crate) fn server_name(host: &Host<String>) -> Result<ServerName<'static>, InvalidDnsNameError> {
    match host {
        // A trailing dot marks a complete name for the resolver. Certificates never contain this dot.
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()),
        Host::Ipv4(address) => Ok(ServerName::from(std::net::IpAddr::V4(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(std::net::IpAddr::V6(*address))),
    }
}
