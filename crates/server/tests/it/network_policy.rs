//! Tests that the settings of the section `[network]` hold for images, watermarks and webhooks alike.

use pixaven::runtime::config::Config;
use pixaven_imaging::plan::Format;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use pixaven_testkit::tls::self_signed_server_config;
use serde_json::json;

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// Fetches an image from `url`, fetches a watermark from `url`, and sends a test webhook to `url`. Returns
/// the error words of the two fetches, such as `source_unreachable`, and the outcome of the webhook.
async fn outcomes(app: &TestApp, url: &str) -> [String; 3] {
    let word = |value: &serde_json::Value| value.as_str().unwrap_or("none").to_owned();
    let image = app.fetch(&json!({ "url": url })).await.json();
    let watermark = app
        .upload("a.png", &test_image(8, 8, Format::Png), &json!({ "watermark": { "url": url } }))
        .await
        .json();
    let body = json!({ "url": url }).to_string();
    let headers = [("Content-Type", "application/json")];
    let webhook = app.call("POST", "/1.0/webhooks/test", &headers, body.as_bytes()).await.json();
    [word(&image["error"]), word(&watermark["error"]), word(&webhook["test"]["outcome"])]
}

#[tokio::test]
async fn a_host_in_the_setting_network_deny_is_blocked_for_images_watermarks_and_webhooks() {
    let receiver = ScriptedReceiver::start(vec![respond_status(404)]);
    let port = receiver.address.port();
    let app = TestApp::start_with(&[("network.deny", "localhost, 127.0.0.9")]).await;
    let blocked = ["source_unreachable", "source_unreachable", "blocked_address"];
    assert_eq!(outcomes(&app, &format!("http://localhost:{port}/")).await, blocked);
    assert_eq!(outcomes(&app, &format!("http://127.0.0.9:{port}/")).await, blocked);
    assert_eq!(receiver.n_connections(), 0);
    let reached = ["source_refused", "source_refused", "rejected"];
    assert_eq!(outcomes(&app, receiver.url("/").as_str()).await, reached);
}

#[tokio::test]
async fn a_database_port_of_a_public_address_is_blocked_for_images_watermarks_and_webhooks() {
    let app = TestApp::start().await;
    let blocked = ["source_unreachable", "source_unreachable", "blocked_address"];
    for port in [22, 3306, 5432, 6379, 11211, 27017] {
        assert_eq!(outcomes(&app, &format!("http://192.0.1.1:{port}/")).await, blocked, "{port}");
    }
}

#[test]
fn by_default_connections_are_permitted_to_ports_80_443_and_from_1024_except_ports_of_internal_services() {
    let ports = Config::with(&[]).unwrap().network.ports;
    for port in [80, 443, 1024, 3000, 4000, 8000, 8080, 8443, 9000, 9443, 50_000, 65_535] {
        assert!(ports.permit(port), "{port}");
    }
    for port in [
        1, 22, 25, 110, 445, 1023, 1433, 2375, 2379, 3306, 5432, 5984, 6379, 8500, 9200, 10_250, 11_211,
        27_017,
    ] {
        assert!(!ports.permit(port), "{port}");
    }
}

#[test]
fn an_invalid_network_rule_is_refused_with_an_error_that_names_the_setting_and_the_accepted_form() {
    for (key, value, expected) in [
        (
            "network.deny",
            "*.example.com",
            "network.deny: `*.example.com` is neither a network nor a host name",
        ),
        ("network.ports", "80,http", "network.ports: `http` is neither a port nor a range"),
        (
            "network.name_servers",
            "10.0.0.2,dns.example.com",
            "network.name_servers: `dns.example.com` is not the address of a name server",
        ),
    ] {
        let message = Config::with(&[(key, value)]).expect_err("the value is invalid").to_string();
        assert!(message.starts_with(expected) && message.contains("accepted is"), "{message}");
    }
}

#[tokio::test]
async fn the_error_about_a_blocked_address_names_the_blocking_setting_unless_network_terse_is_true() {
    let policy = "the address policy of this server forbids a connection to the host: ";
    let closed = "the host could not be reached";
    for (terse, url, expected) in [
        (
            "false",
            "http://10.0.0.1/",
            format!("{policy}its address is not public, and `network.allow` does not contain it"),
        ),
        ("false", "http://denied.example/", format!("{policy}`network.deny` contains it")),
        (
            "false",
            "http://192.0.1.1:22/",
            format!(
                "{policy}`network.ports` does not contain port 22, and `network.allow` does not contain its address"
            ),
        ),
        ("true", "http://10.0.0.1/", closed.to_owned()),
        ("true", "http://denied.example/", closed.to_owned()),
        ("true", "http://192.0.1.1:22/", closed.to_owned()),
    ] {
        let app = TestApp::start_with(&[("network.deny", "denied.example"), ("network.terse", terse)]).await;
        let fetched = app.fetch(&json!({ "url": url })).await.json();
        assert_eq!(fetched["message"], format!("url: {expected}"), "{terse} {url}");
        let body = json!({ "url": url }).to_string();
        let headers = [("Content-Type", "application/json")];
        let tested = app.call("POST", "/1.0/webhooks/test", &headers, body.as_bytes()).await.json();
        assert_eq!(tested["test"]["error"], expected, "{terse} {url}");
    }
}

#[tokio::test]
async fn the_error_about_a_failed_tls_handshake_names_the_reason() {
    let receiver =
        ScriptedReceiver::start_tls(self_signed_server_config("localhost"), vec![respond_status(200)]);
    let url = receiver.https_url("/").to_string();
    let app = TestApp::start().await;
    let expected = "no secure connection to the host could be made: unknown issuer: \
                    no trusted certificate authority has issued its certificate";
    let fetched = app.fetch(&json!({ "url": url })).await.json();
    assert_eq!(fetched["message"], format!("url: {expected}"));
    let body = json!({ "url": url }).to_string();
    let headers = [("Content-Type", "application/json")];
    let tested = app.call("POST", "/1.0/webhooks/test", &headers, body.as_bytes()).await.json();
    assert_eq!(tested["test"]["error"], expected);
    assert_eq!(tested["test"]["outcome"], "tls");
}

#[test]
fn the_setting_network_terse_accepts_only_true_and_false() {
    assert!(!Config::with(&[]).unwrap().network.terse);
    assert!(Config::with(&[("network.terse", "true")]).unwrap().network.terse);
    let message = Config::with(&[("network.terse", "yes")]).expect_err("the value is invalid").to_string();
    assert_eq!(message, "network.terse: must be true or false, got \"yes\" (command line)");
}
