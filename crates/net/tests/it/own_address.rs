//! Public addresses of this machine's own interfaces, in a network namespace of the test.

use std::time::Duration;

use pixaven_net::BlockedBy;
use pixaven_net::NetError::BlockedAddress;
use pixaven_testkit::network_namespace::{is_inside, run};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond;

use super::{OK, net, post};

#[tokio::test]
async fn a_public_address_of_this_machine_is_blocked_unless_it_is_allowed() {
    if !is_inside("own_address::a_public_address_of_this_machine_is_blocked_unless_it_is_allowed") {
        return;
    }
    run("ip link set lo up");
    run("ip addr add 8.8.8.8/32 dev lo");
    let receiver = ScriptedReceiver::start_on("8.8.8.8:0", vec![respond(OK)]);
    let blocked = post(&net(&[]), &receiver.url("/")).await;
    let is_own = matches!(blocked.result, Err(BlockedAddress { rule: BlockedBy::OwnAddress, .. }));
    assert!(is_own, "{:?}", blocked.result);
    assert_eq!(receiver.n_connections(), 0);
    let allowed = post(&net(&["8.8.8.8"]), &receiver.url("/")).await;
    assert_eq!(allowed.result.unwrap().body, "ok");
}

#[tokio::test]
async fn an_ip_address_newly_assigned_to_this_machine_is_blocked_after_five_seconds() {
    if !is_inside("own_address::an_ip_address_newly_assigned_to_this_machine_is_blocked_after_five_seconds") {
        return;
    }
    run("ip link set lo up");
    let net = net(&[]);
    run("ip addr add 8.8.8.8/32 dev lo");
    let receiver = ScriptedReceiver::start_on("8.8.8.8:0", vec![respond(OK)]);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    let blocked = post(&net, &receiver.url("/")).await;
    let is_own = matches!(blocked.result, Err(BlockedAddress { rule: BlockedBy::OwnAddress, .. }));
    assert!(is_own, "{:?}", blocked.result);
}
