//! TLS for outbound connections. The client trusts the system's certificate authorities and the certificates
//! of one configured file. A certificate of that file is trusted as an authority and as the certificate of a
//! server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use url::Host;

use crate::tls_failure::is_ca_used_as_end_entity;

/// The reason why outbound TLS cannot be set up. The server does not start in this case.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The extra file of certificate authorities cannot be read, or the file is not PEM.
    #[error("cannot read certificates from {}", path.display())]
    Unreadable {
        /// The path of the extra file of certificate authorities, as given in the configuration.
        path: PathBuf,
        /// The error of the file system or of the PEM parser.
        source: pem::Error,
    },
    /// The extra file of certificate authorities contains no usable certificate.
    #[error("{} holds no usable certificate authority", path.display())]
    NoCertificateAuthority {
        /// The path of the extra file of certificate authorities, as given in the configuration.
        path: PathBuf,
    },
    /// The TLS library refuses its default protocol versions.
    #[error("TLS cannot be set up")]
    Library(#[from] rustls::Error),
}

/// Loads the trusted certificate authorities. A system without certificate authorities is not an error,
/// because plain HTTP and the certificates of the extra file still work.
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
    let own_certificates = match extra_ca_file {
        Some(path) => add_certificates_of_file(&mut roots, path)?,
        None => Vec::new(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    // rustls cannot build a verifier without certificate authorities. A client without certificate
    // authorities refuses every certificate with the error "unknown issuer".
    let builder = if roots.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let verifier = Arc::new(Verifier { chains, own_certificates });
        builder.dangerous().with_custom_certificate_verifier(verifier)
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Adds the certificates of a PEM file to `roots` and returns the certificates. Fails when the file contains
/// no usable certificate.
fn add_certificates_of_file(
    roots: &mut RootCertStore,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let unreadable = |source| TlsSetupError::Unreadable { path: path.to_owned(), source };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable)?;
    match roots.add_parsable_certificates(certificates.iter().cloned()) {
        (0, _) => Err(TlsSetupError::NoCertificateAuthority { path: path.to_owned() }),
        _ => Ok(certificates),
    }
}

/// Accepts every certificate that rustls accepts. Additionally accepts a server whose certificate is itself
/// contained in the configured file, as `curl --cacert` does. The period of validity and the host name are
/// checked in both cases.
#[derive(Debug)]
struct Verifier {
    /// The verifier of rustls for certificate chains that end at a trusted authority.
    chains: Arc<WebPkiServerVerifier>,
    /// The certificates of the configured file, which are trusted directly.
    own_certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match &verified {
            // rustls reports an error about the issuer only for a certificate that is valid at the time
            // `now`. The signature of the TLS handshake proves that the server has the private key of the
            // certificate.
            Err(rustls::Error::InvalidCertificate(error))
                if is_about_the_issuer(error) && self.own_certificates.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            // The issuer has the name of a trusted authority but a different key. Therefore the issuer is
            // another authority, and the error is "unknown issuer".
            Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => {
                Err(CertificateError::UnknownIssuer.into())
            }
            _ => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Returns whether the error would disappear if the certificate itself were trusted. This is true if its
/// issuer is unknown, if its issuer only has the name of a trusted authority, or if the certificate is marked
/// as an authority.
fn is_about_the_issuer(error: &CertificateError) -> bool {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        CertificateError::Other(other) => is_ca_used_as_end_entity(other),
        _ => false,
    }
}

/// Returns the name that the certificate of the peer must contain.
pub(crate) fn server_name(host: &Host<String>) -> Result<ServerName<'static>, InvalidDnsNameError> {
    match host {
        // A trailing dot in a host name means for the resolver that the name is complete. Certificates never
        // contain a trailing dot, so the dot is removed.
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()),
        Host::Ipv4(address) => Ok(ServerName::from(std::net::IpAddr::V4(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(std::net::IpAddr::V6(*address))),
    }
}
