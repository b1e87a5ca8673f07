//! The script of requests that each server gets: twenty steps in bursts of four. Images are fetched or
//! uploaded, with a webhook, with a delayed webhook, or without one. Two requests are repeated with the same
//! idempotency key, and one webhook is resent. Uploaded images and their results are large enough to be
//! stored as files; fetched ones are small.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{StatusCode, Uri};
use serde_json::json;
use uuid::Uuid;

use crate::api_client::{ApiClient, ApiResponse};

/// A webhook must be recorded as delivered within this time.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// One step of the script.
enum Step {
    Process(ScriptedRequest),
    /// Resends the webhook of the request that was accepted first.
    Resend,
}

/// One image to process.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScriptedRequest {
    is_upload: bool,
    /// The delay of the webhook in seconds. Without it there is no webhook, and the response has the result.
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

/// The images and the receiver of the script.
pub(super) struct ScriptInputs {
    /// The image that is uploaded.
    pub(super) image: Bytes,
    /// The URL of the image that is fetched.
    pub(super) image_url: String,
    pub(super) webhook_url: String,
}

/// Everything that a server has acknowledged before it died. The next server must keep it.
#[derive(Default)]
pub(super) struct Acknowledged {
    /// The requests whose 202 was read, and when that was.
    pub(super) accepted: HashMap<Uuid, Instant>,
    /// The paths of results, and their lengths in bytes.
    pub(super) results: Vec<(String, usize)>,
    /// The requests with an idempotency key, and the ids of their responses.
    pub(super) by_key: HashMap<&'static str, (ScriptedRequest, Uuid)>,
    /// The webhook that was resent, and when the resend was requested.
    pub(super) resent: Option<(Uuid, Instant)>,
    /// Requests whose responses were cut off.
    pub(super) n_cut: usize,
    /// Descriptions of wrong responses.
    pub(super) problems: Vec<String>,
}

/// The outcome of one step.
enum StepOutcome {
    Response(ScriptedRequest, ApiResponse, Instant),
    Resent(Uuid, Instant),
    Problem(String),
    Cut,
}

impl Acknowledged {
    /// Runs the script, up to the first burst in which a response is cut off.
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

    /// Sends the request.
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

/// Waits until a webhook is recorded as delivered, then resends it.
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

/// The path of the result in a response, and its length in bytes.
fn result(response: &ApiResponse) -> Option<(String, usize)> {
    let output = &response.json["output"];
    let url = output["url"].as_str()?.parse::<Uri>().ok()?;
    Some((url.path().to_owned(), usize::try_from(output["bytes"].as_u64()?).ok()?))
}
