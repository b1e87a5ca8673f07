//! Outbound TLS: who is trusted, and how the rest reads.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use http::HeaderMap;
use pixaven_net::{AddressPolicy, Net, NetSettings, TlsSetupError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use url::Url;

use super::fetch::LIMITS;
use super::proxied::through;
use super::{OK, kind, post};
use crate::proxy::Proxy;
use crate::receiver::{Act, Receiver, answer, serve_once};

/// An authority of the test's own.
type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// A client that trusts the authority, through a file as an operator would write it.
fn trusting(authority: &Authority) -> Net {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), authority.pem()).expect("the file can be written");
    let policy = AddressPolicy::allowing(vec!["127.0.0.0/8".parse().expect("a network")]);
    Net::new(NetSettings { policy, extra_ca_file: Some(file.path().to_owned()), ..NetSettings::default() })
        .expect("an authority in PEM")
}

fn certificate(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).expect("a DNS name or an address")
}

/// A receiver that answers OK over TLS with a certificate signed by `issuer`, or by itself.
fn serve(params: &CertificateParams, issuer: Option<&Authority>) -> SocketAddr {
    let key = KeyPair::generate().expect("a key");
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the defaults of the provider")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("a certificate").der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("the key of the certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a valid configuration");
            // A client that does not like the certificate goes away.
            drop(serve_once(&mut StreamOwned::new(connection, stream), OK.as_bytes()));
        }
    });
    address
}

#[tokio::test]
async fn only_the_right_certificate_is_trusted() {
    let ours = authority();
    let net = trusting(&ours);
    let mut expired = certificate("localhost");
    expired.not_before = date_time_ymd(2019, 1, 1);
    expired.not_after = date_time_ymd(2020, 1, 1);
    for (name, address, expected) in [
        ("a name", serve(&certificate("localhost"), Some(&ours)), Ok("ok")),
        ("another name", serve(&certificate("other.test"), Some(&ours)), Err("tls")),
        ("expired", serve(&expired, Some(&ours)), Err("tls")),
        ("signed by itself", serve(&certificate("localhost"), None), Err("tls")),
        ("signed by a stranger", serve(&certificate("localhost"), Some(&authority())), Err("tls")),
    ] {
        let url = Url::parse(&format!("https://localhost:{}/", address.port())).unwrap();
        let exchange = post(&net, &url).await;
        let got = exchange.result.as_ref().map(|answer| &answer.body[..]).map_err(kind);
        assert_eq!(got, expected.map(str::as_bytes), "{name}");
        assert_eq!(exchange.timings.tls_ms.is_some(), expected.is_ok(), "{name}");
        assert!(exchange.timings.dns_ms.is_some() && exchange.timings.connect_ms.is_some(), "{name}");
        let fetched = net.fetch(&url, HeaderMap::new(), LIMITS, &mut |_| true).await;
        assert_eq!(
            fetched.map(|fetched| fetched.bytes).map_err(|error| kind(&error)),
            expected.map(Into::into),
            "{name}"
        );
    }
}

#[tokio::test]
async fn behind_a_proxy_the_certificate_is_the_receivers() {
    let ours = authority();
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), ours.pem()).expect("the file can be written");
    let proxy = Proxy::start(vec![]);
    let net = through(&proxy.url(), &["127.0.0.0/8"], Some(file.path()));
    for (name, expected) in [("localhost", Ok("ok")), ("other.test", Err("tls"))] {
        let address = serve(&certificate(name), Some(&ours));
        let url = Url::parse(&format!("https://localhost:{}/", address.port())).unwrap();
        let exchange = post(&net, &url).await;
        let got = exchange.result.as_ref().map(|answer| &answer.body[..]).map_err(kind);
        assert_eq!(got, expected.map(str::as_bytes), "{name}");
        let asked = proxy.asked().pop().expect("a tunnel was asked for");
        assert_eq!(asked.request_line, format!("CONNECT {address} HTTP/1.1"));
    }
}

#[tokio::test]
async fn an_address_can_be_certified_too() {
    let ours = authority();
    let address = serve(&certificate("127.0.0.1"), Some(&ours));
    let url = Url::parse(&format!("https://{address}/")).unwrap();
    assert_eq!(post(&trusting(&ours), &url).await.result.unwrap().body, "ok");
}

#[tokio::test]
async fn peers_that_speak_no_tls_have_a_kind() {
    let net = trusting(&authority());
    for (name, script, expected) in [
        ("plain HTTP", vec![Act::Peek, Act::Say(OK.into()), Act::Hold], "tls"),
        ("the end of the connection", vec![Act::Peek], "tls"),
        ("silence", vec![Act::Hold], "timeout"),
    ] {
        let receiver = Receiver::start(vec![script]);
        let url = Url::parse(&format!("https://{}/", receiver.address)).unwrap();
        assert_eq!(kind(&post(&net, &url).await.result.unwrap_err()), expected, "{name}");
    }
    let receiver = Receiver::start(vec![answer(OK)]);
    assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, "ok", "plain HTTP needs no trust");
}

#[test]
fn a_file_without_an_authority_is_refused_at_the_start() {
    let directory = tempfile::TempDir::new().unwrap();
    let load = |name: &str, content: Option<&str>| {
        let path = directory.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let settings = NetSettings { extra_ca_file: Some(path), ..NetSettings::default() };
        Net::new(settings).map(|_| ())
    };
    assert!(matches!(load("missing.pem", None), Err(TlsSetupError::Unreadable { .. })));
    assert!(matches!(load("empty.pem", Some("")), Err(TlsSetupError::NoCertificateAuthority { .. })));
    let key = KeyPair::generate().unwrap().serialize_pem();
    assert!(matches!(load("key.pem", Some(&key)), Err(TlsSetupError::NoCertificateAuthority { .. })));
    let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
    assert!(matches!(load("broken.pem", Some(broken)), Err(TlsSetupError::Unreadable { .. })));
}
