//! Tests of outbound TLS: which certificates are accepted, and which errors are reported for refused
//! certificates.

use std::sync::Arc;

use http::HeaderMap;
use pixaven_net::{AddressPolicy, Net, NetSettings, TlsSetupError};
use pixaven_testkit::proxy::ForwardProxy;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond};
use pixaven_testkit::tls::{CertificateAuthority, private_key_pem, self_signed_server_config};
use rustls::ServerConfig;
use url::Url;

use super::fetch::LIMITS;
use super::proxy::net_with_proxy;
use super::{OK, error_kind, post};

/// Creates an HTTP client that trusts the certificate authority `authority`, because its configured CA file
/// contains the certificate of `authority`.
fn net_with_trust(authority: &CertificateAuthority) -> Net {
    let policy = AddressPolicy::allowing(vec!["127.0.0.0/8".parse().expect("the text is a network")]);
    let extra_ca_file = Some(authority.pem_file().to_owned());
    Net::new(NetSettings { policy, extra_ca_file, ..NetSettings::default() }).expect("the CA file is PEM")
}

/// Starts a receiver that responds over TLS with status 200.
fn serve(config: Arc<ServerConfig>) -> ScriptedReceiver {
    ScriptedReceiver::start_tls(config, vec![respond(OK)])
}

#[tokio::test]
async fn only_a_valid_certificate_for_the_host_from_a_trusted_authority_is_accepted() {
    let trusted = CertificateAuthority::new();
    let net = net_with_trust(&trusted);
    let untrusted = CertificateAuthority::new();
    for (name, config, expected) in [
        ("a name", trusted.server_config("localhost"), Ok("ok")),
        ("another name", trusted.server_config("other.test"), Err("tls")),
        ("expired", trusted.expired_server_config("localhost"), Err("tls")),
        ("signed by itself", self_signed_server_config("localhost"), Err("tls")),
        ("signed by a stranger", untrusted.server_config("localhost"), Err("tls")),
    ] {
        let receiver = serve(config);
        let url = receiver.https_url("/");
        let exchange = post(&net, &url).await;
        let got = exchange.result.as_ref().map(|response| &response.body[..]).map_err(error_kind);
        assert_eq!(got, expected.map(str::as_bytes), "{name}");
        assert_eq!(exchange.timings.tls_ms.is_some(), expected.is_ok(), "{name}");
        assert!(exchange.timings.dns_ms.is_some() && exchange.timings.connect_ms.is_some(), "{name}");
        let fetched = net.fetch(&url, HeaderMap::new(), LIMITS, &mut |_| true).await;
        assert_eq!(
            fetched.map(|fetched| fetched.bytes).map_err(|error| error_kind(&error)),
            expected.map(Into::into),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_certificate_of_a_receiver_behind_a_proxy_is_checked() {
    let trusted = CertificateAuthority::new();
    let proxy = ForwardProxy::start(vec![]);
    let net = net_with_proxy(&proxy.url(), &["127.0.0.0/8"], Some(trusted.pem_file()));
    for (name, expected) in [("localhost", Ok("ok")), ("other.test", Err("tls"))] {
        let receiver = serve(trusted.server_config(name));
        let exchange = post(&net, &receiver.https_url("/")).await;
        let got = exchange.result.as_ref().map(|response| &response.body[..]).map_err(error_kind);
        assert_eq!(got, expected.map(str::as_bytes), "{name}");
        let connect = proxy.requests().pop().expect("the proxy got a CONNECT request");
        assert_eq!(connect.request_line, format!("CONNECT {} HTTP/1.1", receiver.address));
    }
}

#[tokio::test]
async fn a_certificate_for_an_ip_address_is_accepted_when_the_url_names_this_address() {
    let trusted = CertificateAuthority::new();
    let receiver = serve(trusted.server_config("127.0.0.1"));
    let url = Url::parse(&format!("https://{}/", receiver.address)).unwrap();
    assert_eq!(post(&net_with_trust(&trusted), &url).await.result.unwrap().body, "ok");
}

#[tokio::test]
async fn an_https_request_to_a_peer_without_tls_ends_with_a_tls_error_or_a_timeout() {
    let net = net_with_trust(&CertificateAuthority::new());
    for (name, script, expected) in [
        ("plain HTTP", vec![Action::ReadByte, Action::Send(OK.into()), Action::Hang], "tls"),
        ("the end of the connection", vec![Action::ReadByte], "tls"),
        ("silence", vec![Action::Hang], "timeout"),
    ] {
        let receiver = ScriptedReceiver::start(vec![script]);
        let url = Url::parse(&format!("https://{}/", receiver.address)).unwrap();
        assert_eq!(error_kind(&post(&net, &url).await.result.unwrap_err()), expected, "{name}");
    }
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    assert_eq!(
        post(&net, &receiver.url("/")).await.result.unwrap().body,
        "ok",
        "plain HTTP needs no certificate"
    );
}

#[test]
fn an_extra_ca_file_without_a_certificate_is_refused() {
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
    assert!(matches!(
        load("key.pem", Some(&private_key_pem())),
        Err(TlsSetupError::NoCertificateAuthority { .. })
    ));
    let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
    assert!(matches!(load("broken.pem", Some(broken)), Err(TlsSetupError::Unreadable { .. })));
}
