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
    let own_certificates = match extra_ca_file {
        Some(path) => add_certificates_of_file(&mut roots, path)?,
        None => Vec::new(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    // rustls builds no verifier without authorities. Then every certificate has an unknown issuer.
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

/// Adds the certificates of a PEM file to `roots` and returns them. Fails when the file contains none.
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

/// Accepts what rustls accepts, and additionally a server that presents exactly a certificate of the
/// configured file, as `curl --cacert` does. Validity and name are checked in both cases.
#[derive(Debug)]
struct Verifier {
    /// The verifier of rustls, for chains of certificates.
    chains: Arc<WebPkiServerVerifier>,
    /// The certificates of the configured file.
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
            // rustls reports these errors only for a certificate whose period of validity contains `now`. The
            // signature of the handshake proves that the server has the key of the certificate.
            Err(rustls::Error::InvalidCertificate(error))
                if is_about_the_issuer(error) && self.own_certificates.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            // The issuer has the name of a trusted authority, but not its key. So it is another issuer.
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

/// Returns whether the error would not exist if the certificate itself were trusted: its issuer is unknown or
/// only has the name of a trusted authority, or the certificate is marked as an authority.
fn is_about_the_issuer(error: &CertificateError) -> bool {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        CertificateError::Other(other) => is_ca_used_as_end_entity(other),
        _ => false,
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
