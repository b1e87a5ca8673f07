//! The URL of a PostgreSQL database, and the settings of the connection that follow from it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Error;

/// The longest time for a TCP connection to one address of the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time without an answer of the server's machine after which the system reports a lost connection.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// The time without traffic after which the system asks whether the server's machine is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// How to connect to the database.
pub(super) struct Server {
    pub(super) config: Config,
    /// `None` if the connection is not encrypted.
    pub(super) tls: Option<MakeRustlsConnect>,
}

/// The parameters of the URL that this module reads itself, because the crate `tokio_postgres` does not know
/// all of their values.
#[derive(Default)]
struct TlsParameters {
    mode: Option<String>,
    root_certificate: Option<String>,
}

impl Server {
    /// Parses a URL of the form `postgres://user:password@host:port/database?parameters`.
    ///
    /// Without the parameter `sslmode`, a connection to another machine is encrypted and the certificate of
    /// the server is checked, as with `sslmode=verify-full`.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(invalid("it must start with postgres://"));
        }
        let (url, parameters) = TlsParameters::split_from(url);
        // The error of the parser may quote a part of the URL, and a part may be the password.
        let mut config: Config = url.parse().map_err(|_| invalid("it cannot be parsed"))?;
        if config.get_dbname().is_none() {
            return Err(invalid("it must name a database, as in postgres://host/database"));
        }
        let is_encrypted = match parameters.mode.as_deref() {
            None => !config.get_hosts().iter().all(is_this_machine),
            Some("disable") => false,
            Some("require" | "verify-full") => true,
            Some(_) => return Err(invalid("sslmode must be disable, require or verify-full")),
        };
        config
            .application_name("pixaven")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives_idle(KEEPALIVE_IDLE)
            // Of several hosts, and after a failover, only the one that can be written is used.
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .ssl_mode(if is_encrypted { SslMode::Require } else { SslMode::Disable });
        let tls = is_encrypted.then(|| tls(parameters.root_certificate.as_deref())).transpose()?;
        Ok(Self { config, tls })
    }
}

impl TlsParameters {
    /// Takes the parameters about TLS out of a URL. Returns the URL without these parameters.
    fn split_from(url: &str) -> (String, Self) {
        let mut parameters = Self::default();
        let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), parameters) };
        let mut others = Vec::new();
        for parameter in query.split('&') {
            match parameter.split_once('=') {
                Some(("sslmode", mode)) => parameters.mode = Some(mode.to_owned()),
                Some(("sslrootcert", path)) => parameters.root_certificate = Some(path.to_owned()),
                _ => others.push(parameter),
            }
        }
        let separator = if others.is_empty() { "" } else { "?" };
        (format!("{base}{separator}{}", others.join("&")), parameters)
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    }
}

/// Creates the TLS client. It trusts the certificates in the file `root_certificate`, or those of the system
/// if there is no such file.
fn tls(root_certificate: Option<&str>) -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    match root_certificate {
        Some(path) => {
            let unusable = |_| invalid("the file of sslrootcert contains no certificates");
            for certificate in CertificateDer::pem_file_iter(Path::new(path)).map_err(unusable)? {
                let certificate = certificate.map_err(unusable)?;
                roots.add(certificate).map_err(|error| Error::Database(Box::new(error)))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(invalid("no root certificate was found: set sslrootcert to a file of certificates"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Database(Box::new(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn invalid(reason: &'static str) -> Error {
    Error::InvalidUrl(reason)
}

#[cfg(test)]
mod tests {
    use super::{Error, Server};

    fn is_encrypted(url: &str) -> Result<bool, String> {
        match Server::parse(url) {
            Ok(server) => Ok(server.tls.is_some()),
            Err(Error::InvalidUrl(reason)) => Err(reason.to_owned()),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn only_connections_to_this_machine_are_unencrypted_unless_the_url_of_the_database_says_so() {
        for local in ["localhost", "127.0.0.1:5433", "[::1]"] {
            assert_eq!(is_encrypted(&format!("postgres://u@{local}/pixaven")), Ok(false), "{local}");
        }
        assert_eq!(is_encrypted("postgresql:///pixaven?host=/run/postgresql&user=u"), Ok(false));
        assert_eq!(is_encrypted("postgres://u@db.example/pixaven?sslmode=disable"), Ok(false));
        let authority = rcgen::generate_simple_self_signed(["db.example".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.cert.pem()).unwrap();
        for mode in ["", "sslmode=require&", "sslmode=verify-full&"] {
            let url = format!("postgres://u@db.example/pixaven?{mode}sslrootcert={}", file.path().display());
            assert_eq!(is_encrypted(&url), Ok(true), "{url}");
        }
    }

    #[test]
    fn the_error_of_an_invalid_database_url_gives_the_reason_and_no_part_of_the_url() {
        for (url, reason) in [
            ("mysql://u:secret@db/pixaven", "it must start with postgres://"),
            ("postgres://u:secret@localhost", "it must name a database, as in postgres://host/database"),
            ("postgres://u:secret@localhost:no/pixaven", "it cannot be parsed"),
            ("postgres://u@localhost/x?sslmode=prefer", "sslmode must be disable, require or verify-full"),
            ("postgres://u@db/x?sslrootcert=/none", "the file of sslrootcert contains no certificates"),
        ] {
            assert_eq!(is_encrypted(url), Err(reason.to_owned()), "{url}");
        }
    }
}
