//! Creates TLS certificates for the receivers and servers in a test.

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
};
use tempfile::NamedTempFile;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A certificate authority for tests. A test may configure the server under test to trust this authority.
pub struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem_file: NamedTempFile,
}

impl CertificateAuthority {
    /// Creates a certificate authority with a new key.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, new_key()).expect("an authority can sign itself");
        let pem_file = NamedTempFile::new().expect("the temporary directory is writable");
        std::fs::write(pem_file.path(), issuer.pem()).expect("a new temporary file is writable");
        Self { issuer, pem_file }
    }

    /// Returns the path of a file that contains the authority's certificate in PEM. The file is removed when
    /// this [`CertificateAuthority`] is dropped.
    pub fn pem_file(&self) -> &Path {
        self.pem_file.path()
    }

    /// Creates the TLS configuration of a server with a certificate for `host`, signed by this authority.
    /// `host` is a DNS name or an IP address.
    pub fn server_config(&self, host: &str) -> Arc<ServerConfig> {
        self.sign(&certificate_params(host))
    }

    /// Creates a TLS configuration like [`Self::server_config`], but with a certificate that expired in 2020.
    pub fn expired_server_config(&self, host: &str) -> Arc<ServerConfig> {
        let mut params = certificate_params(host);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Arc<ServerConfig> {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority can sign");
        server_config(&certificate, &key)
    }
}

impl Default for CertificateAuthority {
    fn default() -> Self {
        Self::new()
    }
}

/// Creates the TLS configuration of a server with a self-signed certificate for `host`.
pub fn self_signed_server_config(host: &str) -> Arc<ServerConfig> {
    let (certificate, key) = self_signed(host);
    server_config(&certificate, &key)
}

/// Writes a self-signed certificate for `host` and its private key to `directory`, as
/// `cert.pem` and `key.pem`.
pub fn write_self_signed(directory: &Path, host: &str) {
    let (certificate, key) = self_signed(host);
    for (name, pem) in [("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())] {
        std::fs::write(directory.join(name), pem).expect("the directory of a test is writable");
    }
}

/// Creates a new private key, encoded as PEM.
pub fn private_key_pem() -> String {
    new_key().serialize_pem()
}

fn self_signed(host: &str) -> (Certificate, KeyPair) {
    let key = new_key();
    (certificate_params(host).self_signed(&key).expect("a certificate can be signed with its own key"), key)
}

fn certificate_params(host: &str) -> CertificateParams {
    CertificateParams::new(vec![host.to_owned()]).expect("the host is a DNS name or an IP address")
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the machine has randomness for a key")
}

fn server_config(certificate: &Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("the certificate belongs to the key");
    Arc::new(config)
}
