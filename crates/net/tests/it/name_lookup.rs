//! Lookups of host names with a DNS server of the test: silent and failing names, wrong addresses, times to
//! live, TCP, the hosts file, and changes of `resolv.conf`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::HeaderMap;
use pixaven_net::{
    AddressPolicy, Exchange, FetchLimits, LookupFailure, Net, NetError, NetSettings, ResolverSettings,
};
use pixaven_testkit::name_server::{NameServer, Question, Reply};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond;
use tempfile::TempDir;
use url::Url;

use super::{OK, error_kind};

/// The deadline of exchanges that must not end by their deadline.
const LONG: Duration = Duration::from_secs(30);

/// A client that may connect to the loopback interface and asks `servers`.
fn net_with(servers: &[&NameServer]) -> Net {
    let name_servers = servers.iter().map(|server| server.address.into()).collect();
    net_with_resolver(ResolverSettings { name_servers, ..files(Path::new("/nonexistent")) })
}

fn net_with_resolver(resolver: ResolverSettings) -> Net {
    let networks = ["127.0.0.0/8", "::1/128"].map(|text| text.parse().expect("the text is a network"));
    let policy = AddressPolicy::allowing(networks.to_vec());
    Net::new(NetSettings { policy, resolver, ..NetSettings::default() }).expect("there is no CA file")
}

/// The paths of `resolv.conf` and a hosts file in a directory. The files need not exist.
fn files(directory: &Path) -> ResolverSettings {
    let (resolv_conf, hosts) = (directory.join("resolv.conf"), directory.join("hosts"));
    ResolverSettings { resolv_conf, hosts, ..ResolverSettings::default() }
}

async fn post(net: &Net, url: &Url, deadline: Duration) -> Exchange {
    net.post(url, HeaderMap::new(), Bytes::from_static(b"{}"), deadline, 1024).await
}

/// The URL of a receiver under another host name.
fn named(receiver: &ScriptedReceiver, host: &str) -> Url {
    Url::parse(&format!("http://{host}:{}/", receiver.address.port())).expect("the host is valid")
}

/// Posts to `host` at the port of the receiver. Returns the status, or the word for the error.
async fn outcome(net: &Net, receiver: &ScriptedReceiver, host: &str) -> Result<u16, &'static str> {
    let exchange = post(net, &named(receiver, host), LONG).await;
    exchange.result.map(|response| response.status.as_u16()).map_err(|error| error_kind(&error))
}

fn receiver() -> ScriptedReceiver {
    ScriptedReceiver::start(vec![respond(OK)])
}

#[tokio::test]
async fn a_resolvable_host_name_is_reached_while_250_dns_lookups_of_other_names_get_no_answer() {
    let (receiver, server) = (receiver(), NameServer::silent_unless(|name| name.starts_with("healthy")));
    let net = net_with(&[&server]);
    let urls: Vec<_> = (0..250).map(|i| named(&receiver, &format!("silent-{i}.test"))).collect();
    let silent = join_all(urls.iter().map(|url| post(&net, url, LONG)));
    let healthy = async {
        // The lookup of each silent name has sent the queries for both address families before the lookup of
        // the first healthy name begins.
        server.wait_for_questions(500).await;
        let hosts = (0..20).map(|i| format!("healthy-{i}.test")).collect::<Vec<_>>();
        for host in &hosts {
            assert_eq!(outcome(&net, &receiver, host).await, Ok(200), "{host}");
        }
    };
    tokio::select! {
        _ = silent => panic!("a silent name was given up before the healthy names were reached"),
        () = healthy => {}
    }
}

#[tokio::test]
async fn a_fetch_succeeds_while_128_other_fetches_wait_for_dns_lookups_that_get_no_answer() {
    let (receiver, server) = (receiver(), NameServer::silent_unless(|name| name == "healthy.test"));
    let net = net_with(&[&server]);
    let limits = FetchLimits { max_bytes: 1_000, deadline: LONG, max_redirects: 0 };
    let fetch = async |host: String| {
        let url = named(&receiver, &host);
        net.fetch(&url, HeaderMap::new(), limits, &mut |_| true).await
    };
    let silent = join_all((0..128).map(|i| fetch(format!("silent-{i}.test"))));
    let healthy = async {
        server.wait_for_questions(256).await;
        fetch("healthy.test".to_owned()).await
    };
    tokio::select! {
        _ = silent => panic!("a silent name was given up before the healthy fetch ended"),
        fetched = healthy => assert_eq!(fetched.unwrap().bytes, "ok"),
    }
}

#[tokio::test]
async fn a_failed_lookup_of_a_host_name_is_a_dns_error_if_the_name_server_answers_for_other_names() {
    let server = NameServer::start(|question| match question.name.as_str() {
        "no-such.test" => Reply::NoSuchName,
        "no-address.test" => Reply::Addresses { addresses: Vec::new(), ttl_s: 60 },
        "failure.test" => Reply::Failure,
        "refusal.test" => Reply::Refusal,
        "silent.test" => Reply::Silence,
        _ => Reply::loopback(),
    });
    let (receiver, net) = (receiver(), net_with(&[&server]));
    for (host, expected) in [
        ("no-such.test", LookupFailure::NoSuchName),
        ("no-address.test", LookupFailure::NoAddress),
        ("failure.test", LookupFailure::ServerError),
        ("refusal.test", LookupFailure::ServerError),
        ("silent.test", LookupFailure::Unanswered),
        ("a..test", LookupFailure::InvalidName),
    ] {
        let exchange = post(&net, &named(&receiver, host), LONG).await;
        match exchange.result {
            Err(NetError::Dns(failure)) => assert_eq!(failure, expected, "{host}"),
            other => panic!("{host}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_failed_lookup_of_a_host_name_is_a_local_error_if_the_name_server_fails_for_every_name() {
    for reply in [Reply::Silence, Reply::Failure, Reply::Refusal] {
        let always = reply.clone();
        let server = NameServer::start(move |_| always.clone());
        let (receiver, net) = (receiver(), net_with(&[&server]));
        assert_eq!(outcome(&net, &receiver, "a.test").await, Err("local"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_post_whose_deadline_passes_during_its_dns_lookup_ends_with_a_dns_error_or_a_local_error() {
    let (receiver, server) = (receiver(), NameServer::silent_unless(|_| false));
    let net = net_with(&[&server]);
    let short = Duration::from_millis(50);
    let exchange = post(&net, &named(&receiver, "silent.test"), short).await;
    assert_eq!(error_kind(&exchange.result.unwrap_err()), "dns");
    let dead = NameServer::start(|_| Reply::Silence);
    let exchange = post(&net_with(&[&dead]), &named(&receiver, "silent.test"), short).await;
    assert_eq!(error_kind(&exchange.result.unwrap_err()), "local");
}

#[tokio::test]
async fn dns_lookups_succeed_again_as_soon_as_the_name_server_answers_again() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let server = NameServer::start(move |_| match down.load(Ordering::SeqCst) {
        true => Reply::Silence,
        false => Reply::loopback(),
    });
    let (receiver, net) = (receiver(), net_with(&[&server]));
    assert_eq!(outcome(&net, &receiver, "a.test").await, Err("local"));
    is_down.store(false, Ordering::SeqCst);
    assert_eq!(outcome(&net, &receiver, "a.test").await, Ok(200));
}

#[tokio::test]
async fn the_address_policy_checks_the_result_of_every_dns_lookup_even_of_a_name_that_was_permitted_before() {
    // The first answer is permitted. Later answers name an address that is not permitted.
    let server = NameServer::start(|question| {
        let ip: IpAddr = if question.n_earlier == 0 { [127, 0, 0, 1].into() } else { [10, 0, 0, 1].into() };
        Reply::Addresses { addresses: vec![ip], ttl_s: 0 }
    });
    let (receiver, net) = (ScriptedReceiver::start(vec![respond(OK)]), net_with(&[&server]));
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let closing = ScriptedReceiver::start(vec![respond(closing)]);
    assert_eq!(outcome(&net, &closing, "rebinding.test").await, Ok(200));
    assert_eq!(outcome(&net, &closing, "rebinding.test").await, Err("blocked_address"));
    assert_eq!(outcome(&net, &receiver, "rebinding.test").await, Err("blocked_address"));
    assert_eq!((closing.n_connections(), receiver.n_connections()), (1, 0));
}

#[tokio::test]
async fn connections_are_opened_only_to_those_addresses_of_a_host_name_that_the_address_policy_permits() {
    let server = NameServer::start(|_| Reply::Addresses {
        addresses: vec![[10, 0, 0, 1].into(), Ipv4Addr::LOCALHOST.into(), "fd00::1".parse().unwrap()],
        ttl_s: 60,
    });
    let (receiver, net) = (receiver(), net_with(&[&server]));
    let exchange = post(&net, &named(&receiver, "mixed.test"), LONG).await;
    assert_eq!((exchange.result.unwrap().status.as_u16(), exchange.address), (200, Some(receiver.address)));
}

#[tokio::test]
async fn callers_that_look_up_the_same_host_name_at_the_same_time_share_one_dns_lookup() {
    let (receiver, server) = (receiver(), NameServer::silent_unless(|_| true));
    let net = net_with(&[&server]);
    let outcomes = join_all((0..20).map(|_| outcome(&net, &receiver, "shared.test"))).await;
    assert_eq!(outcomes, [Ok(200); 20]);
    assert_eq!(server.n_questions_for("shared.test"), 2, "one question for each address family");
}

#[tokio::test]
async fn a_host_name_is_looked_up_again_after_the_time_to_live_of_its_dns_answer_is_over() {
    let server = NameServer::start(|question| match question.name.as_str() {
        "zero.test" => Reply::Addresses { addresses: vec![Ipv4Addr::LOCALHOST.into()], ttl_s: 0 },
        "no-such.test" => Reply::NoSuchName,
        _ => Reply::loopback(),
    });
    let (receiver, net) = (receiver(), net_with(&[&server]));
    let minute = Duration::from_secs(60);
    for (host, n_at_once, n_after_a_minute) in
        [("zero.test", 4, 6), ("minute.test", 2, 4), ("no-such.test", 2, 4)]
    {
        let first = outcome(&net, &receiver, host).await;
        // The connections to `localhost` and to the other hosts are separate, so the pool is not involved.
        let url = named(&ScriptedReceiver::start(vec![respond(OK)]), host);
        let again = async || error_or_status(post(&net, &url, LONG).await);
        assert_eq!(again().await, first, "{host}");
        assert_eq!(server.n_questions_for(host), n_at_once, "{host}");
        tokio::time::pause();
        tokio::time::advance(minute).await;
        tokio::time::resume();
        assert_eq!(again().await, first, "{host}");
        assert_eq!(server.n_questions_for(host), n_after_a_minute, "{host}");
    }
}

fn error_or_status(exchange: Exchange) -> Result<u16, &'static str> {
    exchange.result.map(|response| response.status.as_u16()).map_err(|error| error_kind(&error))
}

#[tokio::test]
async fn a_dns_query_whose_udp_reply_is_truncated_is_repeated_over_tcp() {
    let server = NameServer::start(|_| Reply::OnlyOverTcp(Box::new(Reply::loopback())));
    let (receiver, net) = (receiver(), net_with(&[&server]));
    assert_eq!(outcome(&net, &receiver, "long.test").await, Ok(200));
    let over_tcp = |question: &Question| question.is_tcp && question.name == "long.test";
    assert!(server.questions().iter().any(over_tcp));
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_is_skipped_when_another_name_server_answers() {
    let dead = NameServer::start(|_| Reply::Silence);
    let alive = NameServer::silent_unless(|_| true);
    let (receiver, net) = (receiver(), net_with(&[&dead, &alive]));
    for host in ["a.test", "b.test", "c.test"] {
        assert_eq!(outcome(&net, &receiver, host).await, Ok(200), "{host}");
    }
}

#[tokio::test]
async fn a_host_name_resolves_to_its_ipv4_address_even_if_the_name_server_ignores_aaaa_queries() {
    let server = NameServer::start(|question| match question.is_ipv6 {
        true => Reply::Silence,
        false => Reply::loopback(),
    });
    let (receiver, net) = (receiver(), net_with(&[&server]));
    assert_eq!(outcome(&net, &receiver, "ipv4.test").await, Ok(200));
}

#[tokio::test]
async fn a_host_name_is_looked_up_in_lower_case_in_punycode_and_without_a_trailing_dot() {
    let (receiver, server) = (receiver(), NameServer::silent_unless(|_| true));
    let net = net_with(&[&server]);
    for (host, asked) in [
        ("UPPER.Test", "upper.test"),
        ("dot.test.", "dot.test"),
        ("b\u{fc}cher.test", "xn--bcher-kva.test"),
        ("under_score.test", "under_score.test"),
    ] {
        assert_eq!(outcome(&net, &receiver, host).await, Ok(200), "{host}");
        assert_eq!(server.n_questions_for(asked), 2, "{host}");
    }
    assert_eq!(outcome(&net, &receiver, "127.0.0.1").await, Ok(200));
    assert_eq!(server.questions().len(), 8, "an IP address is not looked up");
}

#[tokio::test]
async fn the_hosts_file_takes_precedence_over_dns_and_is_read_again_after_it_changes() {
    let (receiver, server) = (receiver(), NameServer::start(|_| Reply::NoSuchName));
    let directory = TempDir::new().unwrap();
    let settings = ResolverSettings { name_servers: vec![server.address.into()], ..files(directory.path()) };
    let hosts = settings.hosts.clone();
    std::fs::write(&hosts, "127.0.0.1 first.test\n").unwrap();
    let net = net_with_resolver(settings);
    assert_eq!(outcome(&net, &receiver, "first.test").await, Ok(200));
    assert_eq!(server.questions().len(), 0);
    assert_eq!(outcome(&net, &receiver, "second.test").await, Err("dns"));
    std::fs::write(&hosts, "127.0.0.1 first.test second.test\n").unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!(outcome(&net, &receiver, "second.test").await, Ok(200));
}

#[tokio::test]
async fn a_changed_resolv_conf_is_used_for_the_next_lookup() {
    let receiver = receiver();
    let directory = TempDir::new().unwrap();
    let settings = files(directory.path());
    let path = settings.resolv_conf.clone();
    // Name servers of `resolv.conf` have port 53, so these names end without an answer from them.
    std::fs::write(&path, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
    let hosts = settings.hosts.clone();
    let net = net_with_resolver(settings);
    assert_eq!(outcome(&net, &receiver, "a.test").await, Err("local"));
    std::fs::write(&path, "nameserver 127.0.0.1\nsearch example.test\noptions timeout:1 attempts:1\n")
        .unwrap();
    std::fs::write(&hosts, "127.0.0.1 a.test\n").unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!(outcome(&net, &receiver, "a.test").await, Ok(200));
}
