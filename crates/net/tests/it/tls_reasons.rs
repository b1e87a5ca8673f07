//! Tests of the reasons that failed TLS handshakes report, and of certificates that are trusted without a
//! certificate authority.

use std::path::Path;
use std::sync::Arc;

use http::HeaderMap;
use pixaven_net::{AddressPolicy, Net, NetError, NetSettings, TlsReason};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond};
use pixaven_testkit::tls::{CertificateAuthority, self_signed_server_config};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use url::Url;

use super::fetch::LIMITS;
use super::{OK, post};

/// Creates an HTTP client that trusts the certificates in a PEM file.
fn net_with_file(path: &Path) -> Net {
    let policy = AddressPolicy::allowing(vec!["127.0.0.0/8".parse().expect("the text is a network")]);
    let extra_ca_file = Some(path.to_owned());
    Net::new(NetSettings { policy, extra_ca_file, ..NetSettings::default() }).expect("the file is PEM")
}

/// Creates a self-signed certificate. Returns the certificate in PEM, and the TLS configuration of a server
/// that presents the certificate.
fn self_signed(host: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(vec![host.to_owned()]).expect("the host is a DNS name");
    change(&mut params);
    let key = KeyPair::generate().expect("the machine has randomness for a key");
    let certificate = params.self_signed(&key).expect("a certificate can be signed with its own key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("the certificate belongs to the key");
    (certificate.pem(), Arc::new(config))
}

fn is_authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

/// Sends a POST request to `url` and fetches the same URL. Checks that the POST and the fetch both succeed or
/// both fail for the same TLS reason, and returns this result.
async fn reason(net: &Net, url: &Url) -> Result<(), TlsReason> {
    let of = |error: NetError| match error {
        NetError::Tls(failure) => failure.reason().clone(),
        error => panic!("{error:?} is no failure of TLS"),
    };
    let posted = post(net, url).await.result.map(drop).map_err(of);
    let fetched = net.fetch(url, HeaderMap::new(), LIMITS, &mut |_| true).await.map(drop).map_err(of);
    assert_eq!(posted, fetched);
    posted
}

#[tokio::test]
async fn the_error_of_a_failed_tls_handshake_names_the_reason() {
    let trusted = CertificateAuthority::new();
    let net = net_with_file(trusted.pem_file());
    let future = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2100, 1, 1);
        params.not_after = date_time_ymd(2101, 1, 1);
    };
    for (config, expected) in [
        (CertificateAuthority::new().server_config("localhost"), TlsReason::UnknownIssuer),
        (self_signed_server_config("localhost"), TlsReason::UnknownIssuer),
        (self_signed("localhost", is_authority).1, TlsReason::UnknownIssuer),
        (
            trusted.server_config("other.test"),
            TlsReason::NameMismatch { names: vec!["other.test".to_owned()] },
        ),
        (trusted.server_config("127.0.0.1"), TlsReason::NameMismatch { names: vec!["127.0.0.1".to_owned()] }),
        (
            trusted.expired_server_config("localhost"),
            TlsReason::Expired { since: Some("Wed, 01 Jan 2020 00:00:00 GMT".to_owned()) },
        ),
        (
            self_signed("localhost", future).1,
            TlsReason::NotYetValid { from: Some("Fri, 01 Jan 2100 00:00:00 GMT".to_owned()) },
        ),
    ] {
        let receiver = ScriptedReceiver::start_tls(config, vec![respond(OK)]);
        assert_eq!(reason(&net, &receiver.https_url("/")).await, Err(expected));
    }
}

#[tokio::test]
async fn the_error_of_a_handshake_with_a_host_that_speaks_only_old_tls_or_no_tls_names_the_reason() {
    let net = net_with_file(CertificateAuthority::new().pem_file());
    let protocol_version_alert = vec![21, 3, 1, 0, 2, 2, 70];
    let receiver = ScriptedReceiver::start(vec![vec![
        Action::ReadByte,
        Action::Send(protocol_version_alert),
        Action::Hang,
    ]]);
    assert_eq!(reason(&net, &receiver.https_url("/")).await, Err(TlsReason::ProtocolVersion));
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadByte, Action::send(OK), Action::Hang]]);
    assert!(matches!(reason(&net, &receiver.https_url("/")).await, Err(TlsReason::Other(_))));
}

#[tokio::test]
async fn a_self_signed_certificate_in_the_extra_ca_file_is_accepted_only_for_its_host_and_while_valid() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("certificate.pem");
    let expired = |params: &mut CertificateParams| {
        is_authority(params);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    };
    let since = Some("Wed, 01 Jan 2020 00:00:00 GMT".to_owned());
    for (name, (pem, config), expected) in [
        ("not marked as an authority", self_signed("localhost", |_| {}), Ok(())),
        ("marked as an authority", self_signed("localhost", is_authority), Ok(())),
        (
            "for another host",
            self_signed("other.test", is_authority),
            Err(TlsReason::NameMismatch { names: vec!["other.test".to_owned()] }),
        ),
        ("expired", self_signed("localhost", expired), Err(TlsReason::Expired { since })),
    ] {
        std::fs::write(&path, pem).unwrap();
        let receiver = ScriptedReceiver::start_tls(config, vec![respond(OK)]);
        assert_eq!(reason(&net_with_file(&path), &receiver.https_url("/")).await, expected, "{name}");
    }
    let (pem, _) = self_signed("localhost", is_authority);
    std::fs::write(&path, pem).unwrap();
    let stranger = ScriptedReceiver::start_tls(self_signed("localhost", is_authority).1, vec![respond(OK)]);
    assert_eq!(
        reason(&net_with_file(&path), &stranger.https_url("/")).await,
        Err(TlsReason::UnknownIssuer),
        "another certificate with the same name is not trusted"
    );
}
