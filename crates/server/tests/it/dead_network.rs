//! Faults of this machine's network, in a network namespace of the test: no route, no interface, no free port,
//! no file descriptor. Webhooks use up no attempt, and they are delivered soon after the fault has ended.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};

use pixaven_imaging::plan::Format;
use pixaven_testkit::name_server::{NameServer, Reply};
use pixaven_testkit::network_namespace::{is_inside, run};
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::{respond, respond_status};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// Accepts a request with one attempt for its webhook, and processes its image. Returns the request's id.
async fn accept(app: &TestApp, url: &str) -> String {
    let webhook = json!({ "webhook": { "url": url, "retry": false } });
    let response = app.upload("a.png", &test_image(4, 4, Format::Png), &webhook).await;
    assert_eq!(response.status, 202, "{}", response.json());
    assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1);
    response.json()["id"].as_str().expect("the response has an id").to_owned()
}

async fn send(app: &TestApp) -> usize {
    app.dispatcher.step().await.expect("the ledger responds")
}

async fn webhook(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/1.0/webhooks/{id}")).await.json()["webhook"].clone()
}

/// Asserts that the webhook has used up no attempt and waits until the fault of the local network has ended.
async fn assert_postponed(app: &TestApp, id: &str) {
    let webhook = webhook(app, id).await;
    assert_eq!(
        (&webhook["status"], &webhook["waits_for"], webhook.get("attempts")),
        (&json!("scheduled"), &json!("local_trouble"), None),
        "{webhook}"
    );
}

/// Asserts that the webhook was delivered by its first attempt.
async fn assert_delivered(app: &TestApp, id: &str) {
    let webhook = webhook(app, id).await;
    assert_eq!(
        (&webhook["status"], &webhook["attempts"][0]["number"]),
        (&json!("delivered"), &json!(1)),
        "{webhook}"
    );
}

#[tokio::test]
async fn a_webhook_and_a_fetch_are_postponed_while_no_network_route_exists() {
    if !is_inside("dead_network::a_webhook_and_a_fetch_are_postponed_while_no_network_route_exists") {
        return;
    }
    run("ip link set lo up");
    let app = TestApp::start().await;
    let id = accept(&app, "http://192.0.1.1/").await;
    assert_eq!(send(&app).await, 1);
    assert_postponed(&app, &id).await;

    let request = json!({ "url": "http://192.0.1.1/a.png", "webhook": { "url": "http://192.0.1.1/" } });
    let accepted = app.fetch(&request).await;
    assert_eq!(accepted.status, 202, "{}", accepted.json());
    for _ in 0..3 {
        assert_eq!(app.jobs.step().await.expect("the ledger responds"), 1, "the job is due again");
        app.clock.advance(2_000);
    }
}

#[tokio::test]
async fn webhooks_are_delivered_within_three_seconds_after_the_network_was_down_for_a_minute() {
    let test = "webhooks_are_delivered_within_three_seconds_after_the_network_was_down_for_a_minute";
    if !is_inside(&format!("dead_network::{test}")) {
        return;
    }
    run("ip link set lo up");
    run("ip addr add 192.0.1.2/32 dev lo");
    let outside = Ipv4Addr::new(192, 0, 1, 2);
    let receiver = ScriptedReceiver::start_on((outside, 0), vec![respond_status(200)]);
    let address = Reply::Addresses { addresses: vec![outside.into()], ttl_s: 60 };
    let names = NameServer::start_on(outside, move |_| address.clone());
    let settings = [("network.name_servers", names.setting()), ("network.allow", "192.0.1.2".to_owned())];
    let app = TestApp::start_with(&settings.each_ref().map(|(key, value)| (*key, value.as_str()))).await;
    let mut ids = Vec::new();
    for i in 0..4 {
        ids.push(accept(&app, receiver.url("/").as_str()).await);
        ids.push(accept(&app, &format!("http://name-{i}.test:{}/", receiver.address.port())).await);
    }
    // The route to the receiver and to the name server disappears.
    run("ip addr del 192.0.1.2/32 dev lo");
    for _ in 0..30 {
        assert_eq!(send(&app).await, ids.len(), "every webhook is tried again");
        app.clock.advance(2_000);
    }
    for id in &ids {
        assert_postponed(&app, id).await;
    }
    run("ip addr add 192.0.1.2/32 dev lo");
    assert_eq!(send(&app).await, ids.len());
    for id in &ids {
        assert_delivered(&app, id).await;
    }
}

#[tokio::test]
async fn a_webhook_to_a_host_name_is_postponed_while_the_network_drops_every_packet() {
    if !is_inside("dead_network::a_webhook_to_a_host_name_is_postponed_while_the_network_drops_every_packet")
    {
        return;
    }
    run("ip link set lo up");
    let names = NameServer::silent_unless(|_| true);
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let receiver = ScriptedReceiver::start(vec![respond(closing)]);
    let settings = [("network.name_servers", names.setting()), ("webhooks.deadline_s", "1".to_owned())];
    let app = TestApp::start_with(&settings.each_ref().map(|(key, value)| (*key, value.as_str()))).await;
    let url = format!("http://a.test:{}/", receiver.address.port());
    let first = accept(&app, &url).await;
    assert_eq!(send(&app).await, 1);
    assert_delivered(&app, &first).await;

    // The server remembers the address of `a.test`, so the name server is not needed and only the connect
    // gets no answer.
    let second = accept(&app, &url).await;
    run("ip link set lo down");
    assert_eq!(send(&app).await, 1);
    run("ip link set lo up");
    assert_postponed(&app, &second).await;
    app.clock.advance(2_000);
    assert_eq!(send(&app).await, 1);
    assert_delivered(&app, &second).await;
}

#[tokio::test]
async fn a_webhook_is_postponed_while_no_local_port_is_free() {
    if !is_inside("dead_network::a_webhook_is_postponed_while_no_local_port_is_free") {
        return;
    }
    run("ip link set lo up");
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = TestApp::start().await;
    let id = accept(&app, receiver.url("/").as_str()).await;
    run("sysctl -qw net.ipv4.ip_local_port_range='50000 50001'");
    let taken = [TcpStream::connect(receiver.address), TcpStream::connect(receiver.address)];
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    assert_eq!(send(&app).await, 1);
    assert_postponed(&app, &id).await;
    run("sysctl -qw net.ipv4.ip_local_port_range='40000 50000'");
    app.clock.advance(2_000);
    assert_eq!(send(&app).await, 1);
    assert_delivered(&app, &id).await;
}

#[tokio::test]
async fn a_webhook_is_postponed_while_no_file_descriptor_is_free() {
    // The limit on file descriptors holds for the whole process, so the test needs a process of its own.
    if !is_inside("dead_network::a_webhook_is_postponed_while_no_file_descriptor_is_free") {
        return;
    }
    run("ip link set lo up");
    let names = NameServer::silent_unless(|_| true);
    let receiver = ScriptedReceiver::start(vec![respond_status(200)]);
    let app = TestApp::start_with(&[("network.name_servers", &names.setting())]).await;
    let by_address = accept(&app, receiver.url("/").as_str()).await;
    let by_name = accept(&app, &format!("http://a.test:{}/", receiver.address.port())).await;
    let limit = Rlimit { current: Some(200), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("a limit can be lowered");
    let mut open = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        open.push(file);
    }
    assert_eq!(send(&app).await, 2);
    drop(open);
    for id in [&by_address, &by_name] {
        assert_postponed(&app, id).await;
    }
    app.clock.advance(2_000);
    assert_eq!(send(&app).await, 2);
    for id in [&by_address, &by_name] {
        assert_delivered(&app, id).await;
    }
}
