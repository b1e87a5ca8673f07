//! Tests with real connections of receivers that fail on one path, and of webhooks that were never attempted.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use http::{Response, StatusCode};
use http_body_util::Full;
use pixaven_ledger::{FailureReason, Outcome, WebhookStatus};
use pixaven_testkit::http_server;
use url::Url;

use super::{DeliveryHarness, START_MS, outcomes};

/// A receiver that answers `status` on the path `/fail`, and 204 on all other paths.
struct PathReceiver {
    url: Url,
    paths: Arc<Mutex<Vec<String>>>,
}

impl PathReceiver {
    async fn start(status: StatusCode) -> Self {
        let paths = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&paths);
        let address = http_server::listen(Ipv4Addr::LOCALHOST, move |request, _body| {
            let path = request.uri.path().to_owned();
            let mut response = Response::new(Full::default());
            *response.status_mut() = if path == "/fail" { status } else { StatusCode::NO_CONTENT };
            seen.lock().expect("no holder of the lock panics").push(path);
            response
        });
        let address = address.await.expect("a port is free");
        let url = format!("http://{address}").parse().expect("the text is a URL");
        Self { url, paths }
    }

    fn path(&self, path: &str) -> Url {
        self.url.join(path).expect("the text is a path")
    }

    fn n_requests(&self) -> usize {
        self.paths.lock().expect("no holder of the lock panics").len()
    }
}

#[tokio::test]
async fn webhooks_to_one_path_of_a_receiver_arrive_in_two_seconds_while_webhooks_to_another_path_fail() {
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE] {
        let receiver = PathReceiver::start(status).await;
        let harness = DeliveryHarness::open().await;
        for _ in 0..30 {
            harness.accept(&receiver.path("/fail?n=1")).await;
        }
        harness.clock.advance(1);
        let mut good = Vec::new();
        for _ in 0..5 {
            good.push(harness.accept(&receiver.path("/ok")).await);
        }
        while harness.clock.now_ms() <= START_MS + 2_000 {
            if harness.step().await == 0 {
                harness.clock.advance(50);
            }
        }
        for id in good {
            assert_eq!(harness.record(id).await.status, WebhookStatus::Delivered, "{status}");
        }
    }
}

#[tokio::test]
async fn a_webhook_that_an_open_circuit_breaker_delays_until_its_expiry_gets_one_attempt_at_the_expiry() {
    let receiver = PathReceiver::start(StatusCode::SERVICE_UNAVAILABLE).await;
    let harness = DeliveryHarness::open().await;
    for _ in 0..8 {
        harness.accept(&receiver.path("/fail")).await;
    }
    assert_eq!(harness.step().await, 8);
    let held = harness.accept_with(&receiver.path("/fail"), |webhook| webhook.expires_ms = Some(800)).await;
    assert_eq!(harness.step().await, 0, "the circuit breaker is open");
    harness.clock.advance(800);
    assert_eq!(harness.step().await, 1);
    assert_eq!(receiver.n_requests(), 9);
    let record = harness.record(held).await;
    assert_eq!((record.status, record.failure), (WebhookStatus::Failed, Some(FailureReason::Expired)));
    assert_eq!(outcomes(&record), [Outcome::Rejected]);
}
