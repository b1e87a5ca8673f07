//! Exchanges through a forward proxy: what it is asked, and what its answers say about whom.

use std::path::Path;

use pixaven_net::{AddressPolicy, Net, NetError, NetSettings, Proxy, ProxyError};
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::proxy::{ForwardProxy, ProxyAction};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond};
use url::Url;

use super::{DEADLINE, OK, kind, post};

/// A client that may connect to the networks named, through a proxy.
pub(super) fn through(proxy: &str, allow: &[&str], extra_ca: Option<&Path>) -> Net {
    let allow = allow.iter().map(|network| network.parse().expect("a network")).collect();
    let address = proxy.parse().expect("the address of a proxy");
    Net::new(NetSettings {
        policy: AddressPolicy::allowing(allow),
        extra_ca_file: extra_ca.map(Path::to_owned),
        proxy: Some(Proxy::new(address, None, DEADLINE / 2).expect("no file to fail on")),
    })
    .expect("an authority in PEM, or none")
}

#[tokio::test]
async fn the_proxy_is_told_the_address_that_was_judged() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let net = through(&proxy.url(), &["127.0.0.0/8"], None);
    let url = format!("http://user:word@localhost:{}/hook?x=1", receiver.address.port());
    let exchange = post(&net, &Url::parse(&url).unwrap()).await;
    assert_eq!(exchange.result.unwrap().body, "ok");
    assert_eq!(exchange.address, Some(receiver.address));
    assert!(exchange.timings.dns_ms.is_some() && exchange.timings.connect_ms.is_some());

    let last = proxy.requests().pop().unwrap();
    assert_eq!(last.request_line, format!("CONNECT {} HTTP/1.1", receiver.address));
    assert_eq!(last.header("host"), Some(receiver.address.to_string().as_str()));
    assert_eq!((last.header("proxy-authorization"), last.header("authorization")), (None, None));
    let received = &receiver.requests()[0];
    assert_eq!(received.request_line, "POST /hook?x=1 HTTP/1.1");
    let host = format!("localhost:{}", receiver.address.port());
    assert_eq!(received.header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn a_tunnel_carries_one_exchange_after_the_other() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![[respond(OK), respond(OK)].concat()]);
    let net = through(&proxy.url(), &["127.0.0.0/8"], None);
    for _ in 0..2 {
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, "ok");
    }
    assert_eq!((proxy.requests().len(), receiver.requests().len()), (1, 2));
}

#[tokio::test]
async fn an_address_that_may_not_be_reached_is_not_reached_through_a_proxy() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let net = through(&proxy.url(), &[], None);
    assert_eq!(kind(&post(&net, &receiver.url("/")).await.result.unwrap_err()), "blocked_address");
    assert_eq!(
        (proxy.requests().len(), receiver.n_connections()),
        (0, 0),
        "the proxy itself needs no permission"
    );
}

#[tokio::test]
async fn what_the_proxy_does_is_its_own_fault_or_the_peers() {
    for (name, turn, expected) in [
        (
            "wants to know who asks",
            ProxyAction::Respond("HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n"),
            "proxy",
        ),
        ("is no proxy", ProxyAction::Respond("HTTP/1.1 405 No\r\ncontent-length: 2\r\n\r\nno"), "proxy"),
        (
            "sends elsewhere",
            ProxyAction::Respond("HTTP/1.1 302 Found\r\nlocation: http://portal/\r\n\r\n"),
            "proxy",
        ),
        ("has too much to do", ProxyAction::Respond("HTTP/1.1 429 Slow\r\n\r\n"), "proxy"),
        ("speaks no HTTP", ProxyAction::Respond("SSH-2.0-OpenSSH_9.2\r\n"), "proxy"),
        ("talks into the tunnel", ProxyAction::Respond("HTTP/1.1 200 OK\r\n\r\nhello"), "refused"),
        ("has no tunnel to offer", ProxyAction::Respond("HTTP/1.1 204 No Content\r\n\r\n"), "proxy"),
        ("hangs up", ProxyAction::Close, "proxy"),
        (
            "may not go there",
            ProxyAction::Respond("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
            "refused",
        ),
        ("cannot reach it", ProxyAction::Respond("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "refused"),
        ("cannot reach it either", ProxyAction::Respond("HTTP/1.1 503 Unavailable\r\n\r\n"), "refused"),
        ("waited for it", ProxyAction::Respond("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), "timeout"),
    ] {
        let proxy = ForwardProxy::start(vec![turn]);
        let receiver = ScriptedReceiver::start(vec![respond(OK)]);
        let net = through(&proxy.url(), &["127.0.0.0/8"], None);
        let error = post(&net, &receiver.url("/")).await.result.unwrap_err();
        assert_eq!((kind(&error), error.is_local_trouble()), (expected, expected == "proxy"), "{name}");
        assert_eq!(receiver.n_connections(), 0, "{name}");
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, "ok", "after: {name}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_not_the_peers_fault() {
    let closed = ClosedPort::reserve();
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    for (name, proxy) in [
        ("refuses", format!("http://{}", closed.address)),
        ("has no address", "http://proxy.invalid:3128".to_owned()),
    ] {
        let net = through(&proxy, &["127.0.0.0/8"], None);
        let error = post(&net, &receiver.url("/")).await.result.unwrap_err();
        assert_eq!(kind(&error), "proxy", "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_takes_no_connection_is_not_the_peers_fault() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = socket.listen(0).unwrap();
    // Fills the queue of connections that nobody accepts.
    let _first = std::net::TcpStream::connect(proxy.local_addr().unwrap()).unwrap();
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let net = through(&format!("http://{}", proxy.local_addr().unwrap()), &["127.0.0.0/8"], None);
    let error = post(&net, &receiver.url("/")).await.result.unwrap_err();
    assert!(matches!(error, NetError::Proxy(ProxyError::Timeout)), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_hangs_behind_the_proxy_is_a_timeout_of_the_peer() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Hang]]);
    let net = through(&proxy.url(), &["127.0.0.0/8"], None);
    assert_eq!(kind(&post(&net, &receiver.url("/")).await.result.unwrap_err()), "timeout");
}
