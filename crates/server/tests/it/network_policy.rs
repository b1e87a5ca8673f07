//! The settings of `[network]` hold for images, watermarks and webhooks alike.

use pixaven::runtime::config::Config;
use pixaven_testkit::receiver::ScriptedReceiver;
use pixaven_testkit::script::respond_status;
use serde_json::json;

use crate::test_app::TestApp;
use crate::test_images::test_image;

/// Fetches an image, fetches a watermark and sends a test webhook, each from or to `url`. Returns the two error
/// words of the fetches and the outcome of the webhook.
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
async fn a_denied_network_or_name_is_blocked_for_images_watermarks_and_webhooks() {
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
fn the_default_ports_are_those_of_the_web_and_the_unprivileged_ones_without_internal_services() {
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
fn an_invalid_rule_is_refused_with_the_name_of_the_setting_and_the_accepted_form() {
    for (key, value, expected) in [
        (
            "network.deny",
            "*.example.com",
            "network.deny: `*.example.com` is neither a network nor a host name",
        ),
        ("network.ports", "80,http", "network.ports: `http` is neither a port nor a range"),
    ] {
        let message = Config::with(&[(key, value)]).expect_err("the value is invalid").to_string();
        assert!(message.starts_with(expected) && message.contains("accepted is"), "{message}");
    }
}
