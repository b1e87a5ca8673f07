//! Tests of the table of connections, without sockets.

use super::*;

fn table(total: usize, per_client: usize) -> Connections {
    let trusted = vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    Connections::new(ConnectionLimits { total, per_client, trusted })
}

fn admit(connections: &Connections, address: &str) -> Option<Connection> {
    connections.try_admit(address.parse().unwrap()).ok()
}

/// Processes a request of a connection to its end.
fn use_once(connection: &Connection) {
    assert!(connection.begin_request());
    connection.end_answer();
    connection.flushed();
}

fn is_evicted(connection: &Connection) -> bool {
    connection.evicted().is_cancelled()
}

#[test]
fn a_full_connection_table_evicts_the_connection_that_has_been_idle_for_the_longest_time() {
    let connections = table(3, 0);
    let [first, second, third] =
        ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|a| admit(&connections, a).unwrap());
    use_once(&first);
    let fourth = admit(&connections, "192.0.2.4").unwrap();
    assert_eq!([&first, &second, &third, &fourth].map(is_evicted), [false, true, false, false]);
    assert!(!second.begin_request(), "an evicted connection takes no request");
    // The end of an evicted connection must not free a second place.
    drop(second);
    let _fifth = admit(&connections, "192.0.2.5").unwrap();
    assert_eq!([&first, &third, &fourth].map(is_evicted), [false, true, false]);
}

#[test]
fn a_connection_with_a_running_request_or_an_unsent_response_is_never_closed_for_a_new_connection() {
    let connections = table(1, 0);
    let first = admit(&connections, "192.0.2.1").unwrap();
    assert!(first.begin_request());
    assert!(admit(&connections, "192.0.2.2").is_none(), "the request is being processed");
    first.flushed();
    assert!(admit(&connections, "192.0.2.2").is_none(), "only a part of the answer was sent");
    first.end_answer();
    assert!(admit(&connections, "192.0.2.2").is_none(), "the end of the answer was not sent");
    first.flushed();
    assert!(admit(&connections, "192.0.2.2").is_some());
    assert!(is_evicted(&first));
}

#[test]
fn a_client_at_its_connection_limit_that_connects_again_loses_its_oldest_idle_connection() {
    let connections = table(9, 2);
    let other = admit(&connections, "192.0.2.9").unwrap();
    let [first, second, third] = [0; 3].map(|_| admit(&connections, "192.0.2.1").unwrap());
    assert_eq!([&other, &first, &second, &third].map(is_evicted), [false, true, false, false]);
    assert!(second.begin_request() && third.begin_request());
    assert!(admit(&connections, "192.0.2.1").is_none(), "both are busy");
    drop(third);
    assert!(admit(&connections, "::ffff:192.0.2.1").is_some(), "the same client as an IPv6 address");
}

#[test]
fn all_addresses_of_one_ipv6_network_share_the_connection_limit_of_one_client() {
    let connections = table(9, 1);
    let first = admit(&connections, "2001:db8::1").unwrap();
    let second = admit(&connections, "2001:db8::2").unwrap();
    let _other = admit(&connections, "2001:db8:0:1::1").unwrap();
    assert_eq!([&first, &second].map(is_evicted), [true, false]);
}

#[test]
fn connections_per_client_are_unlimited_for_a_trusted_proxy_or_if_the_configured_limit_is_zero() {
    for (per_client, address) in [(1, "127.0.0.1"), (1, "fd00::1"), (0, "192.0.2.1")] {
        let connections = table(9, per_client);
        let all = [0; 3].map(|_| admit(&connections, address).unwrap());
        assert!(!all.iter().any(is_evicted), "{address}");
    }
}

#[tokio::test]
async fn a_new_connection_at_the_connection_limit_waits_until_a_busy_connection_becomes_idle_or_ends() {
    let connections = table(1, 0);
    let end_answer = |connection: Connection| {
        connection.end_answer();
        connection.flushed();
        connection
    };
    let ends: [&dyn Fn(Connection) -> Option<Connection>; 2] =
        [&|connection| Some(end_answer(connection)), &|_ended| None];
    for end in ends {
        let connection = admit(&connections, "192.0.2.1").unwrap();
        assert!(connection.begin_request());
        let mut next = std::pin::pin!(connections.admit("192.0.2.2".parse().unwrap()));
        assert!(futures_util::poll!(next.as_mut()).is_pending());
        let _kept = end(connection);
        assert!(next.await.is_some());
    }
}
