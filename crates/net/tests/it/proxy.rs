//! Tests of exchanges through a forward proxy: the CONNECT request, errors of the proxy, and errors of the
//! peer behind the proxy.

use std::path::Path;

use pixaven_net::{AddressPolicy, Net, NetError, NetSettings, Proxy, ProxyError};
use pixaven_testkit::ports::ClosedPort;
use pixaven_testkit::proxy::{ForwardProxy, ProxyAction};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{Action, respond};
use url::Url;

use super::{DEADLINE, OK, error_kind, post};

/// Creates an HTTP client that connects through `proxy` and may connect to the networks in `allow`.
pub(super) fn net_with_proxy(proxy: &str, allow: &[&str], extra_ca: Option<&Path>) -> Net {
    let allow = allow.iter().map(|network| network.parse().expect("the text is a network")).collect();
    let address = proxy.parse().expect("the text is the address of a proxy");
    Net::new(NetSettings {
        policy: AddressPolicy::allowing(allow),
        extra_ca_file: extra_ca.map(Path::to_owned),
        proxy: Some(Proxy::new(address, None, DEADLINE / 2).expect("no credentials are loaded")),
        ..NetSettings::default()
    })
    .expect("the CA file is PEM, if there is one")
}

#[tokio::test]
async fn the_connect_request_to_the_proxy_names_the_checked_ip_address() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let net = net_with_proxy(&proxy.url(), &["127.0.0.0/8"], None);
    let url = format!("http://user:word@localhost:{}/hook?x=1", receiver.address.port());
    let exchange = post(&net, &Url::parse(&url).unwrap()).await;
    assert_eq!(exchange.result.unwrap().body, "ok");
    assert_eq!(exchange.address, Some(receiver.address));
    assert!(exchange.timings.dns_ms.is_some() && exchange.timings.connect_ms.is_some());

    let connect = proxy.requests().pop().unwrap();
    assert_eq!(connect.request_line, format!("CONNECT {} HTTP/1.1", receiver.address));
    assert_eq!(connect.header("host"), Some(receiver.address.to_string().as_str()));
    assert_eq!((connect.header("proxy-authorization"), connect.header("authorization")), (None, None));
    let received = &receiver.requests()[0];
    assert_eq!(received.request_line, "POST /hook?x=1 HTTP/1.1");
    let host = format!("localhost:{}", receiver.address.port());
    assert_eq!(received.header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn a_tunnel_through_a_proxy_is_reused_for_the_next_request() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![[respond(OK), respond(OK)].concat()]);
    let net = net_with_proxy(&proxy.url(), &["127.0.0.0/8"], None);
    for _ in 0..2 {
        assert_eq!(post(&net, &receiver.url("/")).await.result.unwrap().body, "ok");
    }
    assert_eq!((proxy.requests().len(), receiver.requests().len()), (1, 2));
}

#[tokio::test]
async fn a_forbidden_address_is_not_reached_through_a_proxy() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let net = net_with_proxy(&proxy.url(), &[], None);
    assert_eq!(error_kind(&post(&net, &receiver.url("/")).await.result.unwrap_err()), "blocked_address");
    assert_eq!(
        (proxy.requests().len(), receiver.n_connections()),
        (0, 0),
        "the proxy gets no request for a forbidden address"
    );
}

#[tokio::test]
async fn the_answer_of_a_proxy_to_connect_decides_whether_the_proxy_or_the_peer_is_at_fault() {
    for (name, action, expected) in [
        (
            "demands credentials",
            ProxyAction::Respond("HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n"),
            "proxy",
        ),
        ("is not a proxy", ProxyAction::Respond("HTTP/1.1 405 No\r\ncontent-length: 2\r\n\r\nno"), "proxy"),
        (
            "redirects",
            ProxyAction::Respond("HTTP/1.1 302 Found\r\nlocation: http://portal/\r\n\r\n"),
            "proxy",
        ),
        ("is overloaded", ProxyAction::Respond("HTTP/1.1 429 Slow\r\n\r\n"), "proxy"),
        ("does not speak HTTP", ProxyAction::Respond("SSH-2.0-OpenSSH_9.2\r\n"), "proxy"),
        (
            "sends bytes into the tunnel before the client",
            ProxyAction::Respond("HTTP/1.1 200 OK\r\n\r\nhello"),
            "refused",
        ),
        ("responds with 204", ProxyAction::Respond("HTTP/1.1 204 No Content\r\n\r\n"), "proxy"),
        ("closes the connection", ProxyAction::Close, "proxy"),
        (
            "may not connect to the peer",
            ProxyAction::Respond("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
            "refused",
        ),
        ("cannot reach the peer, 502", ProxyAction::Respond("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "refused"),
        ("cannot reach the peer, 503", ProxyAction::Respond("HTTP/1.1 503 Unavailable\r\n\r\n"), "refused"),
        (
            "got no answer from the peer",
            ProxyAction::Respond("HTTP/1.1 504 Gateway Timeout\r\n\r\n"),
            "timeout",
        ),
    ] {
        let proxy = ForwardProxy::start(vec![action]);
        let receiver = ScriptedReceiver::start(vec![respond(OK)]);
        let net = net_with_proxy(&proxy.url(), &["127.0.0.0/8"], None);
        let error = post(&net, &receiver.url("/")).await.result.unwrap_err();
        assert_eq!((error_kind(&error), error.is_local_trouble()), (expected, expected == "proxy"), "{name}");
        assert_eq!(receiver.n_connections(), 0, "{name}");
        assert_eq!(
            post(&net, &receiver.url("/")).await.result.unwrap().body,
            "ok",
            "the connection after: {name}"
        );
    }
}

#[tokio::test]
async fn an_unreachable_proxy_is_reported_as_an_error_of_the_proxy() {
    let closed = ClosedPort::reserve();
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    for (name, proxy) in [
        ("a proxy that refuses connections", format!("http://{}", closed.address)),
        ("a proxy whose host does not exist", "http://proxy.invalid:3128".to_owned()),
    ] {
        let net = net_with_proxy(&proxy, &["127.0.0.0/8"], None);
        let error = post(&net, &receiver.url("/")).await.result.unwrap_err();
        assert_eq!(error_kind(&error), "proxy", "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_accepts_no_connection_is_reported_as_a_timeout_of_the_proxy() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = socket.listen(0).unwrap();
    // This connection fills the backlog of the proxy's listening socket, because the proxy never accepts a
    // connection.
    let _queued = std::net::TcpStream::connect(proxy.local_addr().unwrap()).unwrap();
    let receiver = ScriptedReceiver::start(vec![respond(OK)]);
    let net = net_with_proxy(&format!("http://{}", proxy.local_addr().unwrap()), &["127.0.0.0/8"], None);
    let error = post(&net, &receiver.url("/")).await.result.unwrap_err();
    assert!(matches!(error, NetError::Proxy(ProxyError::Timeout)), "{error:?}");
}

#[tokio::test]
async fn a_silent_peer_behind_a_proxy_is_reported_as_a_timeout_of_the_peer() {
    let proxy = ForwardProxy::start(vec![]);
    let receiver = ScriptedReceiver::start(vec![vec![Action::ReadRequest, Action::Hang]]);
    let net = net_with_proxy(&proxy.url(), &["127.0.0.0/8"], None);
    assert_eq!(error_kind(&post(&net, &receiver.url("/")).await.result.unwrap_err()), "timeout");
}
