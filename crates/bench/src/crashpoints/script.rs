//! The script of requests that each server gets: twenty steps in bursts of four. The server fetches the image
//! or gets it as an upload. A request has a webhook, a delayed webhook, or no webhook. Two requests are sent
//! a second time with the same idempotency key, and one webhook is resent. The uploaded images and their
//! results are so large that the server stores them as files; the fetched images are small.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{StatusCode, Uri};
use serde_json::json;
use uuid::Uuid;

use crate::api_client::{ApiClient, ApiResponse};

/// The longest time that the script waits until the history shows a webhook as delivered.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// One step of the script.
enum Step {
    Process(ScriptedRequest),
    /// Resends the webhook of the first accepted request.
    Resend,
}

/// A request to process one image.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScriptedRequest {
    is_upload: bool,
    /// The delay of the webhook in seconds. `None` means that the request has no webhook and that the
    /// response contains the result.
    delay_s: Option<u32>,
    idempotency_key: Option<&'static str>,
}

const fn process(is_upload: bool, delay_s: Option<u32>) -> Step {
    Step::Process(ScriptedRequest { is_upload, delay_s, idempotency_key: None })
}

const fn process_once(is_upload: bool, delay_s: Option<u32>, key: &'static str) -> Step {
    Step::Process(ScriptedRequest { is_upload, delay_s, idempotency_key: Some(key) })
}

const FETCH: bool = false;
const UPLOAD: bool = true;
const NOW: Option<u32> = Some(0);
const LATER: Option<u32> = Some(1);

static SCRIPT: [[Step; 4]; 5] = [
    [process(FETCH, NOW), process(UPLOAD, NOW), process(FETCH, LATER), process(UPLOAD, None)],
    [
        process_once(UPLOAD, NOW, "accepted"),
        process(FETCH, None),
        process(UPLOAD, LATER),
        process(FETCH, NOW),
    ],
    [
        process_once(UPLOAD, NOW, "accepted"),
        process_once(FETCH, None, "answered"),
        process(UPLOAD, NOW),
        Step::Resend,
    ],
    [process_once(FETCH, None, "answered"), process(UPLOAD, None), process(FETCH, NOW), process(UPLOAD, NOW)],
    [process(FETCH, NOW), process(UPLOAD, NOW), process(FETCH, NOW), process(UPLOAD, NOW)],
];

/// The images and the webhook URL of the script's requests.
pub(super) struct ScriptInputs {
    /// The image that the script uploads.
    pub(super) image: Bytes,
    /// The URL of the image that the server fetches.
    pub(super) image_url: String,
    pub(super) webhook_url: String,
}

/// Everything that a server had acknowledged before it was killed. The server that is started next must keep
/// all of it.
#[derive(Default)]
pub(super) struct Acknowledged {
    /// The ids of the requests whose 202 response was read, each with the time at which it was read.
    pub(super) accepted: HashMap<Uuid, Instant>,
    /// The path and the length in bytes of each processed image that a response named.
    pub(super) results: Vec<(String, usize)>,
    /// The requests with an idempotency key, each with the id in its response.
    pub(super) by_key: HashMap<&'static str, (ScriptedRequest, Uuid)>,
    /// The id of the webhook that was resent, and the time at which the resend was requested.
    pub(super) resent: Option<(Uuid, Instant)>,
    /// The number of requests whose responses were cut off.
    pub(super) n_cut: usize,
    /// Descriptions of the responses that were not as expected.
    pub(super) problems: Vec<String>,
}

/// The outcome of one step of the script.
enum StepOutcome {
    Response(ScriptedRequest, ApiResponse, Instant),
    Resent(Uuid, Instant),
    Problem(String),
    Cut,
}

impl Acknowledged {
    /// Runs the script to its end. If a response is cut off, the script ends after the current burst of
    /// requests.
    pub(super) async fn by_script(api: &ApiClient, inputs: &ScriptInputs) -> Self {
        let mut acknowledged = Self::default();
        for [a, b, c, d] in &SCRIPT {
            let first = acknowledged.accepted.iter().min_by_key(|(_, at)| **at).map(|(id, _)| *id);
            let outcomes = tokio::join!(
                run_step(api, inputs, a, first),
                run_step(api, inputs, b, first),
                run_step(api, inputs, c, first),
                run_step(api, inputs, d, first)
            );
            for outcome in <[StepOutcome; 4]>::from(outcomes) {
                acknowledged.add(outcome);
            }
            if acknowledged.n_cut > 0 {
                break;
            }
        }
        acknowledged
    }

    fn add(&mut self, outcome: StepOutcome) {
        match outcome {
            StepOutcome::Cut => self.n_cut += 1,
            StepOutcome::Problem(problem) => self.problems.push(problem),
            StepOutcome::Resent(id, at) => self.resent = Some((id, at)),
            StepOutcome::Response(request, response, at) => {
                if let Err(problem) = self.add_response(request, &response, at) {
                    self.problems.push(format!("{problem}: {} {}", response.status, response.json));
                }
            }
        }
    }

    fn add_response(
        &mut self,
        request: ScriptedRequest,
        response: &ApiResponse,
        at: Instant,
    ) -> Result<(), &'static str> {
        let id = response.id().ok_or("an answer without an id")?;
        if response.status != request.expected_status() {
            return Err("an unexpected status");
        }
        if request.delay_s.is_some() {
            self.accepted.entry(id).or_insert(at);
        } else {
            self.results.push(result(response).ok_or("an answer without a result")?);
        }
        if let Some(key) = request.idempotency_key {
            let (_, first) = self.by_key.entry(key).or_insert((request, id));
            if *first != id {
                return Err("another id for the same idempotency key");
            }
        }
        Ok(())
    }
}

impl ScriptedRequest {
    fn expected_status(&self) -> StatusCode {
        if self.delay_s.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK }
    }

    /// Sends a request of the script, and reads the response.
    pub(super) async fn send(&self, api: &ApiClient, inputs: &ScriptInputs) -> anyhow::Result<ApiResponse> {
        let mut data = json!({});
        if let Some(delay) = self.delay_s {
            data["webhook"] = json!({ "url": inputs.webhook_url, "delay": delay });
        }
        if !self.is_upload {
            data["url"] = json!(inputs.image_url);
        }
        api.process(&data, self.is_upload.then_some(&inputs.image), self.idempotency_key).await
    }
}

async fn run_step(api: &ApiClient, inputs: &ScriptInputs, step: &Step, first: Option<Uuid>) -> StepOutcome {
    match (step, first) {
        (Step::Process(request), _) => match request.send(api, inputs).await {
            Ok(response) => StepOutcome::Response(*request, response, Instant::now()),
            Err(_killed) => StepOutcome::Cut,
        },
        (Step::Resend, Some(id)) => resend(api, id).await,
        (Step::Resend, None) => StepOutcome::Problem("nothing was accepted".to_owned()),
    }
}

/// Waits until the history shows a webhook as delivered, then resends this webhook.
async fn resend(api: &ApiClient, id: Uuid) -> StepOutcome {
    let end = Instant::now() + DELIVERY_TIMEOUT;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let Ok(response) = api.get(&format!("/1.0/webhooks/{id}")).await else { return StepOutcome::Cut };
        if response.json["webhook"]["status"] == "delivered" {
            break;
        }
        if Instant::now() > end {
            return StepOutcome::Problem(format!("not delivered in time: {}", response.json));
        }
    }
    let at = Instant::now();
    match api.post(&format!("/1.0/webhooks/{id}/resend")).await {
        Ok(response) if response.status == StatusCode::OK => StepOutcome::Resent(id, at),
        Ok(response) => StepOutcome::Problem(format!("not resent: {} {}", response.status, response.json)),
        Err(_killed) => StepOutcome::Cut,
    }
}

/// Returns the path and the length in bytes of the processed image that a response names.
fn result(response: &ApiResponse) -> Option<(String, usize)> {
    let output = &response.json["output"];
    let url = output["url"].as_str()?.parse::<Uri>().ok()?;
    Some((url.path().to_owned(), usize::try_from(output["bytes"].as_u64()?).ok()?))
}
