//! The endpoint the webhooks are sent to: it answers 200 at once and remembers what came.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::loopback;

/// One POST that arrived whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The `webhook-id` header.
    pub(crate) id: Uuid,
    /// Of the body's bytes: every delivery of an id must carry the same.
    pub(crate) sha256: [u8; 32],
    /// When its last byte had been read.
    pub(crate) at: Instant,
    /// The `webhook-attempt` header.
    pub(crate) attempt: u32,
    /// Whether the body says `"success":true` and carries the id of the header.
    pub(crate) success: bool,
}

/// A running receiver.
pub(crate) struct Receiver {
    address: SocketAddr,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
}

impl Receiver {
    /// Listens at a free port of the loopback interface.
    pub(crate) async fn start() -> io::Result<Self> {
        let deliveries = Arc::new(Mutex::new(Vec::new()));
        let address = listen(Ipv4Addr::LOCALHOST, Arc::clone(&deliveries)).await?;
        Ok(Self { address, deliveries })
    }

    /// Listens at one more address, as another receiver would; returns what a request names then.
    pub(crate) async fn also_at(&self, address: Ipv4Addr) -> io::Result<String> {
        listen(address, Arc::clone(&self.deliveries)).await.map(url)
    }

    /// What a request names as its webhook's `url`.
    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// Everything that has arrived, in the order of arrival.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().expect("nobody panics while holding it").clone()
    }

    /// Forgets what has arrived, before another server sends here.
    pub(crate) fn clear(&self) {
        self.deliveries.lock().expect("nobody panics while holding it").clear();
    }

    /// What has arrived of these ids, in the order of arrival.
    pub(crate) fn deliveries_of(&self, accepted: &HashMap<Uuid, Instant>) -> Vec<Delivery> {
        self.deliveries().into_iter().filter(|delivery| accepted.contains_key(&delivery.id)).collect()
    }

    /// Waits until each of the accepted ids has arrived, or nothing at all has for as long as `patience`.
    pub(crate) async fn wait_for(&self, accepted: &HashMap<Uuid, Instant>, patience: Duration) {
        let mut owed: HashSet<&Uuid> = accepted.keys().collect();
        self.wait(patience, |arrived| {
            for delivery in arrived {
                owed.remove(&delivery.id);
            }
            owed.is_empty()
        })
        .await;
    }

    /// Waits until `n` deliveries have arrived in all, or nothing at all has for as long as `patience`.
    pub(crate) async fn wait_for_more(&self, n: usize, patience: Duration) {
        let mut n_seen = 0;
        self.wait(patience, |arrived| {
            n_seen += arrived.len();
            n_seen >= n
        })
        .await;
    }

    /// Looks at what has arrived and arrives, until that is enough or nothing has arrived for as long as `patience`.
    async fn wait(&self, patience: Duration, mut is_enough: impl FnMut(&[Delivery]) -> bool) {
        let (mut n_seen, mut last_arrival) = (0, Instant::now());
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let deliveries = self.deliveries.lock().expect("nobody panics while holding it");
            let arrived = &deliveries[n_seen..];
            if !arrived.is_empty() {
                last_arrival = Instant::now();
            }
            n_seen = deliveries.len();
            if is_enough(arrived) || last_arrival.elapsed() >= patience {
                return;
            }
        }
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/webhook")
}

async fn listen(address: Ipv4Addr, deliveries: Arc<Mutex<Vec<Delivery>>>) -> io::Result<SocketAddr> {
    let answer = move |request: Parts, body: Bytes| {
        let mut response = Response::new(Full::default());
        match read(&request, &body) {
            Some(delivery) => deliveries.lock().expect("nobody panics while holding it").push(delivery),
            None => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        response
    };
    loopback::listen(address, answer).await
}

/// What a POST delivers; `None` when it is no webhook of this API.
fn read(request: &Parts, body: &Bytes) -> Option<Delivery> {
    let header = |name: &str| request.headers.get(name)?.to_str().ok();
    let id: Uuid = header("webhook-id")?.parse().ok()?;
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let success = json["success"] == true && json["id"] == id.to_string();
    let attempt = header("webhook-attempt")?.parse().ok()?;
    Some(Delivery { id, sha256: Sha256::digest(body).into(), at: Instant::now(), attempt, success })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    const ID: &str = "9fccf4b5-cfab-4e92-9276-5d2028fcb6a0";

    fn post(attempt: &str, body: &str) -> Option<Delivery> {
        let request = Request::post("/").header("webhook-id", ID).header("webhook-attempt", attempt);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        read(&parts, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn a_success_carries_the_id_of_its_header() {
        let read = |body: &str| post("2", body).map(|delivery| (delivery.attempt, delivery.success));
        assert_eq!(read(&format!(r#"{{"success":true,"id":"{ID}"}}"#)), Some((2, true)));
        assert_eq!(read(&format!(r#"{{"success":false,"id":"{ID}"}}"#)), Some((2, false)));
        assert_eq!(read(r#"{"success":true,"id":"00000000-0000-4000-8000-000000000000"}"#), Some((2, false)));
    }

    #[test]
    fn what_is_no_webhook_is_not_counted() {
        assert_eq!(post("1", "not JSON"), None);
        assert_eq!(post("first", "{}"), None);
    }
}
