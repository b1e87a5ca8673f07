//! Sends an open-loop load: each request is sent at its scheduled time, even if earlier responses are still
//! missing, and its latency counts from the scheduled time. If a server stalls, all requests that are
//! scheduled during the stall therefore have a long latency, as they have for real users. A closed-loop
//! client, which waits for each response before it sends the next request, would send fewer requests during a
//! stall and would therefore report latencies that are too short.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::http_client::HttpClient;
use crate::request_template::RequestTemplate;

/// The time limit for a response. If a response is not complete after this time, its request counts as cut
/// off.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The outcomes of all requests of a load.
#[derive(Default)]
pub(crate) struct LoadResult {
    /// The ids of the requests whose 202 response was read completely, each with the time at which the last
    /// byte was read.
    pub(crate) accepted: HashMap<Uuid, Instant>,
    /// The scheduled times of the accepted requests.
    pub(crate) scheduled_at: Vec<Instant>,
    /// The latency of each accepted request: the time from its scheduled time to the end of its 202 response.
    pub(crate) accept_latencies: Vec<Duration>,
    /// The number of responses with the status 503 or 429, which mean that the server is overloaded.
    pub(crate) n_refused: usize,
    /// The number of responses with a status other than 202, 429 and 503.
    pub(crate) n_rejected: usize,
    /// The status and the body of the first response that has an unexpected status.
    pub(crate) first_rejection: Option<String>,
    /// The number of requests without a complete response, because the connection failed, or because the
    /// response was cut off or took too long.
    pub(crate) n_cut: usize,
}

/// The outcome of one request.
enum RequestOutcome {
    Accepted { id: Uuid, latency: Duration, at: Instant },
    Refused,
    Rejected(String),
    Cut,
}

/// Sends `rate` requests a second until the future `stop` completes, then waits for the responses that are
/// still missing.
pub(crate) async fn run(
    http: &Arc<HttpClient>,
    template: &Arc<RequestTemplate>,
    rate: f64,
    stop: impl Future<Output = ()>,
) -> LoadResult {
    let mut pending = JoinSet::new();
    let mut result = LoadResult::default();
    let start = Instant::now();
    let mut stop = std::pin::pin!(stop);
    for n in 0.. {
        let scheduled = start + Duration::from_secs_f64(n as f64 / rate);
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = tokio::time::sleep_until(scheduled.into()) => {}
        }
        pending.spawn(send(Arc::clone(http), Arc::clone(template), n, scheduled));
        while let Some(outcome) = pending.try_join_next() {
            result.add(outcome.unwrap_or(RequestOutcome::Cut));
        }
    }
    while let Some(outcome) = pending.join_next().await {
        result.add(outcome.unwrap_or(RequestOutcome::Cut));
    }
    result
}

async fn send(
    http: Arc<HttpClient>,
    template: Arc<RequestTemplate>,
    n: u64,
    scheduled: Instant,
) -> RequestOutcome {
    let response = tokio::time::timeout(RESPONSE_TIMEOUT, http.send(template.request(n))).await;
    let Ok(Ok((status, body))) = response else { return RequestOutcome::Cut };
    let at = Instant::now();
    let text = || String::from_utf8_lossy(&body);
    match status {
        StatusCode::ACCEPTED => match accepted_id(&body) {
            Some(id) => RequestOutcome::Accepted { id, latency: at - scheduled, at },
            None => RequestOutcome::Rejected(format!("a 202 without an id: {}", text())),
        },
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => RequestOutcome::Refused,
        _ => RequestOutcome::Rejected(format!("{status}: {}", text())),
    }
}

/// Reads the id of the request from the body of a 202 response.
fn accepted_id(body: &[u8]) -> Option<Uuid> {
    let json: Value = serde_json::from_slice(body).ok()?;
    json["id"].as_str()?.parse().ok()
}

impl LoadResult {
    fn add(&mut self, outcome: RequestOutcome) {
        match outcome {
            RequestOutcome::Accepted { id, latency, at } => {
                self.accepted.insert(id, at);
                self.scheduled_at.push(at - latency);
                self.accept_latencies.push(latency);
            }
            RequestOutcome::Refused => self.n_refused += 1,
            RequestOutcome::Rejected(reason) => {
                self.n_rejected += 1;
                self.first_rejection.get_or_insert(reason);
            }
            RequestOutcome::Cut => self.n_cut += 1,
        }
    }

    /// Adds the outcomes of another load to the outcomes of this load.
    pub(crate) fn extend(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.scheduled_at.extend(other.scheduled_at);
        self.accept_latencies.extend(other.accept_latencies);
        self.n_refused += other.n_refused;
        self.n_rejected += other.n_rejected;
        self.first_rejection = self.first_rejection.take().or(other.first_rejection);
        self.n_cut += other.n_cut;
    }

    /// Returns the number of requests that were sent.
    pub(crate) fn n_sent(&self) -> usize {
        self.accept_latencies.len() + self.n_refused + self.n_rejected + self.n_cut
    }
}

#[cfg(test)]
mod tests {
    use pixaven_testkit::receiver::ScriptedReceiver;
    use pixaven_testkit::script::respond;
    use serde_json::json;

    use super::*;
    use crate::request_template::{InputMode, RequestUrls, TestImage};

    const ID: &str = "9fccf4b5-cfab-4e92-9276-5d2028fcb6a0";

    #[tokio::test]
    async fn the_load_tool_counts_a_request_as_accepted_only_if_its_202_response_is_complete() {
        let body = format!(r#"{{"success":true,"code":202,"id":"{ID}"}}"#);
        let response = |status: &str, n_bytes: usize| {
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {n_bytes}\r\n\r\n{body}")
        };
        // The test server answers each of the first five connections with one element of this list. It closes
        // all later connections without a response.
        let server = ScriptedReceiver::start(vec![
            respond(response("202 Accepted", body.len())),
            respond(response("202 Accepted", body.len() + 1)),
            respond(response("503 Service Unavailable", body.len())),
            respond(response("500 Internal Server Error", body.len())),
            respond(String::new()),
        ]);
        let image = TestImage::noop().unwrap();
        let urls = RequestUrls { image: "http://origin/".to_owned(), webhook: json!({}) };
        let template = RequestTemplate::new(server.address, "pxv_key", InputMode::Fetch, &image, &urls);
        let http = Arc::new(HttpClient::new(server.address));
        let result = run(&http, &Arc::new(template), 1000.0, server.wait_for_closed(5)).await;

        let requests = server.requests();
        assert!(requests.iter().all(|request| request.request_line == "POST /1.0/fetch HTTP/1.1"));
        assert_eq!(result.accepted.into_keys().collect::<Vec<_>>(), [ID.parse::<Uuid>().unwrap()]);
        assert_eq!((result.n_refused, result.n_rejected), (1, 1));
        assert!(result.first_rejection.unwrap().starts_with("500 Internal Server Error"));
        // At least two requests are cut off: one request whose 202 response is shorter than its
        // `content-length`, and at least one request whose connection was closed without a response.
        assert!(result.n_cut >= 2);
    }
}
