//! Derives the reason why a TLS handshake failed from the typed errors of rustls.

use std::fmt;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

/// The largest number of names of a certificate that an error message lists.
const MAX_NAMES: usize = 5;
/// The last second of the year 9999 as a Unix time. HTTP dates cannot express a later time.
const MAX_DATE_S: u64 = 253_402_300_799;

/// A failed TLS handshake: the reason, and the original error.
#[derive(Debug, thiserror::Error)]
#[error("the TLS handshake failed: {reason}")]
pub struct TlsFailure {
    reason: TlsReason,
    #[source]
    error: io::Error,
}

/// The reason why a TLS handshake failed. The text of a reason begins with a stable short name and a colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsReason {
    /// No trusted certificate authority has issued the certificate.
    UnknownIssuer,
    /// The certificate is valid for other names, but not for the name of the host.
    NameMismatch {
        /// The names in the certificate: host names and IP addresses.
        names: Vec<String>,
    },
    /// The validity period of the certificate has ended.
    Expired {
        /// The end of the validity period, as an HTTP date. `None` when rustls does not report the date.
        since: Option<String>,
    },
    /// The validity period of the certificate has not begun.
    NotYetValid {
        /// The beginning of the validity period, as an HTTP date. `None` when rustls does not report the
        /// date.
        from: Option<String>,
    },
    /// Client and peer have no version of TLS in common.
    ProtocolVersion,
    /// Any other reason, with the error text of rustls or of the operating system.
    Other(String),
}

impl TlsFailure {
    /// Finds the reason in the error of a failed TLS handshake.
    pub(crate) fn new(error: io::Error) -> Self {
        let reason = match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => TlsReason::of(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                TlsReason::Other("the host closed the connection".to_owned())
            }
            None => TlsReason::Other(error.to_string()),
        };
        Self { reason, error }
    }

    /// The reason.
    pub fn reason(&self) -> &TlsReason {
        &self.reason
    }
}

impl TlsReason {
    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::ProtocolVersion,
            error => Self::Other(error.to_string()),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            // A certificate that may sign other certificates is usually self-signed. No other authority
            // confirms such a certificate, so its issuer counts as unknown.
            CertificateError::Other(other) if is_ca_used_as_end_entity(other) => Self::UnknownIssuer,
            CertificateError::NotValidForName => Self::NameMismatch { names: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::NameMismatch { names: presented.iter().map(|name| plain_name(name)).collect() }
            }
            CertificateError::Expired => Self::Expired { since: None },
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired { since: Some(http_date(*not_after)) }
            }
            CertificateError::NotValidYet => Self::NotYetValid { from: None },
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid { from: Some(http_date(*not_before)) }
            }
            error => Self::Other(error.to_string()),
        }
    }

    /// A stable short name of the reason, which programs can compare.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown issuer",
            Self::NameMismatch { .. } => "name mismatch",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not yet valid",
            Self::ProtocolVersion => "protocol version",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for TlsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.as_str())?;
        match self {
            Self::UnknownIssuer => f.write_str("no trusted certificate authority has issued its certificate"),
            Self::NameMismatch { names } if names.is_empty() => f.write_str("its certificate names no host"),
            Self::NameMismatch { names } => {
                write!(f, "its certificate is for {}", names[..names.len().min(MAX_NAMES)].join(", "))?;
                match names.len().saturating_sub(MAX_NAMES) {
                    0 => Ok(()),
                    n_more => write!(f, " and {n_more} more"),
                }
            }
            Self::Expired { since: None } => f.write_str("its certificate has expired"),
            Self::Expired { since: Some(since) } => write!(f, "its certificate has expired since {since}"),
            Self::NotYetValid { from: None } => f.write_str("its certificate is not valid yet"),
            Self::NotYetValid { from: Some(from) } => write!(f, "its certificate is not valid before {from}"),
            Self::ProtocolVersion => f.write_str("it supports neither TLS 1.2 nor TLS 1.3"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Returns whether the error says that a server presented the certificate of a certificate authority as its
/// own.
pub(crate) fn is_ca_used_as_end_entity(error: &rustls::OtherError) -> bool {
    matches!(error.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Extracts the plain name from the text with which rustls describes a name, such as `DnsName("example.com")`
/// or `IpAddress(192.0.2.1)`. Control characters are removed. A text of another form is returned without
/// change.
fn plain_name(described: &str) -> String {
    let unwrapped = |prefix, suffix| described.strip_prefix(prefix)?.strip_suffix(suffix);
    let name = unwrapped("DnsName(\"", "\")").or_else(|| unwrapped("IpAddress(", ")")).unwrap_or(described);
    name.chars().filter(|c| !c.is_control()).collect()
}

fn http_date(time: UnixTime) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time.as_secs().min(MAX_DATE_S)))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn the_text_of_a_tls_failure_begins_with_its_reason_and_describes_the_certificate() {
        let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let mismatch = |names: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("example.com").unwrap(),
            presented: names.iter().map(|&name| name.to_owned()).collect(),
        };
        let seven = ["DnsName(\"a\")", "b", "c", "d", "e", "f", "g"];
        for (error, expected) in [
            (
                CertificateError::ExpiredContext { time: time(9), not_after: time(1_577_836_800) },
                "expired: its certificate has expired since Wed, 01 Jan 2020 00:00:00 GMT",
            ),
            (
                CertificateError::NotValidYetContext { time: time(9), not_before: time(u64::MAX) },
                "not yet valid: its certificate is not valid before Fri, 31 Dec 9999 23:59:59 GMT",
            ),
            (
                mismatch(&["DnsName(\"other.test\")", "IpAddress(192.0.2.1)"]),
                "name mismatch: its certificate is for other.test, 192.0.2.1",
            ),
            (mismatch(&seven), "name mismatch: its certificate is for a, b, c, d, e and 2 more"),
            (mismatch(&[]), "name mismatch: its certificate names no host"),
        ] {
            let error = rustls::Error::InvalidCertificate(error);
            assert_eq!(TlsReason::of(&error).to_string(), expected);
        }
    }
}
