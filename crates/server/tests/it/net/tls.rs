//! Outbound TLS: who is trusted, and how the rest reads.

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
use super::proxied::through;
use super::{OK, kind, post};

/// A client that trusts the authority, through a file as an operator would write it.
fn trusting(authority: &CertificateAuthority) -> Net {
    let policy = AddressPolicy::allowing(vec!["127.0.0.0/8".parse().expect("a network")]);
    let extra_ca_file = Some(authority.pem_file().to_owned());
    Net::new(NetSettings { policy, extra_ca_file, ..NetSettings::default() }).expect("an authority in PEM")
}

/// A receiver that answers OK over TLS.
fn serve(config: Arc<ServerConfig>) -> ScriptedReceiver {
    ScriptedReceiver::start_tls(config, vec![respond(OK)])
}

#[tokio::test]
async fn only_the_right_certificate_is_trusted() {
    let ours = CertificateAuthority::new();
    let net = trusting(&ours);
    let stranger = CertificateAuthority::new();
    for (name, config, expected) in [
        ("a name", ours.server_config("localhost"), Ok("ok")),
        ("another name", ours.server_config("other.test"), Err("tls")),
        ("expired", ours.expired_server_config("localhost"), Err("tls")),
        ("signed by itself", self_signed_server_config("localhost"), Err("tls")),
        ("signed by a stranger", stranger.server_config("localhost"), Err("tls")),
    ] {
        let receiver = serve(config);
        let url = receiver.https_url("/");
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
    let ours = CertificateAuthority::new();
    let proxy = ForwardProxy::start(vec![]);
    let net = through(&proxy.url(), &["127.0.0.0/8"], Some(ours.pem_file()));
    for (name, expected) in [("localhost", Ok("ok")), ("other.test", Err("tls"))] {
        let receiver = serve(ours.server_config(name));
        let exchange = post(&net, &receiver.https_url("/")).await;
        let got = exchange.result.as_ref().map(|answer| &answer.body[..]).map_err(kind);
        assert_eq!(got, expected.map(str::as_bytes), "{name}");
        let asked = proxy.requests().pop().expect("a tunnel was asked for");
        assert_eq!(asked.request_line, format!("CONNECT {} HTTP/1.1", receiver.address));
    }
}

#[tokio::test]
async fn an_address_can_be_certified_too() {
    let ours = CertificateAuthority::new();
    let receiver = serve(ours.server_config("127.0.0.1"));
    let url = Url::parse(&format!("https://{}/", receiver.address)).unwrap();
    assert_eq!(post(&trusting(&ours), &url).await.result.unwrap().body, "ok");
}

#[tokio::test]
async fn peers_that_speak_no_tls_have_a_kind() {
    let net = trusting(&CertificateAuthority::new());
    for (name, script, expected) in [
        ("plain HTTP", vec![Action::ReadByte, Action::Send(OK.into()), Action::Hang], "tls"),
        ("the end of the connection", vec![Action::ReadByte], "tls"),
        ("silence", vec![Action::Hang], "timeout"),
    ] {
        let receiver = ScriptedReceiver::start(vec![script]);
        let url = Url::parse(&format!("https://{}/", receiver.address)).unwrap();
        assert_eq!(kind(&post(&net, &url).await.result.unwrap_err()), expected, "{name}");
    }
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
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
    assert!(matches!(
        load("key.pem", Some(&private_key_pem())),
        Err(TlsSetupError::NoCertificateAuthority { .. })
    ));
    let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
    assert!(matches!(load("broken.pem", Some(broken)), Err(TlsSetupError::Unreadable { .. })));
}
