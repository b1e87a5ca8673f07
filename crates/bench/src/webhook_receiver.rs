//! The receiver of the webhooks that a load tool requests. It answers every webhook immediately, and stores
//! the id of each webhook and a hash of its body. The answer is 200. Only at one path, the first attempt of
//! each webhook gets 503 and is not stored.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use pixaven_testkit::http_server::{self, Pace};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The path at which the first attempt of each webhook is refused.
const FAILS_FIRST: &str = "/fails-first";

/// One webhook whose request was read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The value of the header `webhook-id`.
    pub(crate) id: Uuid,
    /// The SHA-256 of the body. All deliveries of the same webhook must have the same body.
    pub(crate) sha256: [u8; 32],
    /// The time at which the last byte of the request had been read.
    pub(crate) at: Instant,
    /// The value of the header `webhook-attempt`.
    pub(crate) attempt: u32,
    /// Whether the body contains `"success":true` and the same id as the header `webhook-id`.
    pub(crate) success: bool,
}

/// A running webhook receiver.
pub(crate) struct WebhookReceiver {
    address: SocketAddr,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
}

impl WebhookReceiver {
    /// Starts a receiver on a free port of the loopback interface.
    pub(crate) async fn start() -> io::Result<Self> {
        Self::start_at_pace(Pace::default()).await
    }

    /// Starts a receiver that answers at this pace.
    pub(crate) async fn start_at_pace(pace: Pace) -> io::Result<Self> {
        let deliveries = Arc::new(Mutex::new(Vec::new()));
        let address = listen(Ipv4Addr::LOCALHOST, pace, Arc::clone(&deliveries)).await?;
        Ok(Self { address, deliveries })
    }

    /// Listens on one more IP address. The tested server treats this address as a separate receiver. Returns
    /// the URL of this address.
    pub(crate) async fn also_at(&self, address: Ipv4Addr) -> io::Result<String> {
        listen(address, Pace::default(), Arc::clone(&self.deliveries)).await.map(url)
    }

    /// Returns the URL to which webhooks are sent.
    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// Returns a URL of this receiver at which the first attempt of each webhook is refused.
    pub(crate) fn url_that_fails_first(&self) -> String {
        format!("http://{}{FAILS_FIRST}", self.address)
    }

    /// Returns all deliveries in the order of arrival.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().expect("no holder of the lock panics").clone()
    }

    /// Removes all stored deliveries, so that they are not mixed up with the deliveries of the next server.
    pub(crate) fn clear(&self) {
        self.deliveries.lock().expect("no holder of the lock panics").clear();
    }

    /// Returns the deliveries of the webhooks with the given ids, in the order of arrival.
    pub(crate) fn deliveries_of(&self, accepted: &HashMap<Uuid, Instant>) -> Vec<Delivery> {
        self.deliveries().into_iter().filter(|delivery| accepted.contains_key(&delivery.id)).collect()
    }

    /// Waits until the webhooks of all accepted requests were delivered, or until nothing arrives for the
    /// time `idle_timeout`.
    pub(crate) async fn wait_for(&self, accepted: &HashMap<Uuid, Instant>, idle_timeout: Duration) {
        let mut missing: HashSet<&Uuid> = accepted.keys().collect();
        self.wait_until(idle_timeout, |arrived| {
            for delivery in arrived {
                missing.remove(&delivery.id);
            }
            missing.is_empty()
        })
        .await;
    }

    /// Waits until at least `n` deliveries have arrived in total, or until nothing arrives for the time
    /// `idle_timeout`.
    pub(crate) async fn wait_for_total(&self, n: usize, idle_timeout: Duration) {
        let mut n_seen = 0;
        self.wait_until(idle_timeout, |arrived| {
            n_seen += arrived.len();
            n_seen >= n
        })
        .await;
    }

    /// Calls `is_enough` repeatedly: the first time with all deliveries until now, later with the deliveries
    /// that have arrived since the previous call. Returns when `is_enough` returns true, or when nothing
    /// arrives for the time `idle_timeout`.
    async fn wait_until(&self, idle_timeout: Duration, mut is_enough: impl FnMut(&[Delivery]) -> bool) {
        let (mut n_seen, mut last_arrival) = (0, Instant::now());
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let deliveries = self.deliveries.lock().expect("no holder of the lock panics");
            let arrived = &deliveries[n_seen..];
            if !arrived.is_empty() {
                last_arrival = Instant::now();
            }
            n_seen = deliveries.len();
            if is_enough(arrived) || last_arrival.elapsed() >= idle_timeout {
                return;
            }
        }
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/webhook")
}

async fn listen(
    address: Ipv4Addr,
    pace: Pace,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
) -> io::Result<SocketAddr> {
    let respond = move |request: Parts, body: Bytes| {
        let mut response = Response::new(Full::default());
        match parse(&request, &body) {
            Some(delivery) if delivery.attempt == 1 && request.uri.path() == FAILS_FIRST => {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            Some(delivery) => deliveries.lock().expect("no holder of the lock panics").push(delivery),
            None => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        response
    };
    http_server::listen_at_pace(address, pace, respond).await
}

/// Reads a delivery from an HTTP request. Returns `None` if the request is not a webhook of this API.
fn parse(request: &Parts, body: &Bytes) -> Option<Delivery> {
    let header = |name: &str| request.headers.get(name)?.to_str().ok();
    let id: Uuid = header("webhook-id")?.parse().ok()?;
    let json: Value = serde_json::from_slice(body).ok()?;
    let success = json["success"] == true && json["id"] == id.to_string();
    let attempt = header("webhook-attempt")?.parse().ok()?;
    Some(Delivery { id, sha256: Sha256::digest(body).into(), at: Instant::now(), attempt, success })
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const ID: &str = "9fccf4b5-cfab-4e92-9276-5d2028fcb6a0";

    fn parse_post(attempt: &str, body: &str) -> Option<Delivery> {
        let request = Request::post("/").header("webhook-id", ID).header("webhook-attempt", attempt);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        parse(&parts, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn a_webhook_delivery_counts_as_a_success_only_if_body_and_header_contain_equal_webhook_ids() {
        let parse = |body: &str| parse_post("2", body).map(|delivery| (delivery.attempt, delivery.success));
        assert_eq!(parse(&format!(r#"{{"success":true,"id":"{ID}"}}"#)), Some((2, true)));
        assert_eq!(parse(&format!(r#"{{"success":false,"id":"{ID}"}}"#)), Some((2, false)));
        let another_id = r#"{"success":true,"id":"00000000-0000-4000-8000-000000000000"}"#;
        assert_eq!(parse(another_id), Some((2, false)));
    }

    #[test]
    fn parsing_an_http_request_that_is_not_a_webhook_returns_none() {
        assert_eq!(parse_post("1", "not JSON"), None);
        assert_eq!(parse_post("first", "{}"), None);
    }
}
