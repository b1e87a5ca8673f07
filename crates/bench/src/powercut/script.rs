//! The requests of a recording. They come in bursts of four, so that their writes and flushes mix. The images
//! are all different, so that a stored image shows to which request it belongs.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use hyper::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api_client::{ApiClient, ApiResponse};
use crate::request_template::TestImage;
use crate::webhook_receiver::WebhookReceiver;

/// The number of requests that are sent at the same time.
const N_AT_ONCE: usize = 4;

/// A server has sent all its webhooks when no webhook arrives for this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How the server gets the image of a request.
#[derive(Debug, Clone, Copy)]
enum Input {
    /// An upload that the server stores as a file. Its result is a file, too.
    Large,
    /// An upload that the server stores in the ledger.
    Small,
    Fetched,
}

/// The webhook of a request.
#[derive(Debug, Clone, Copy)]
enum Hook {
    Now,
    /// A webhook that is sent one second after the job.
    Later,
    /// A webhook to a receiver that refuses the first attempt.
    Retried,
    /// No webhook. The answer to the request contains the result.
    Absent,
}

/// The requests, which are repeated from the beginning after the last one. The first burst has only large
/// uploads, so that the directories for files are created by several requests at once.
const REQUESTS: [(Input, Hook); 12] = [
    (Input::Large, Hook::Now),
    (Input::Large, Hook::Later),
    (Input::Large, Hook::Absent),
    (Input::Large, Hook::Retried),
    (Input::Small, Hook::Now),
    (Input::Small, Hook::Absent),
    (Input::Large, Hook::Now),
    (Input::Fetched, Hook::Now),
    (Input::Small, Hook::Retried),
    (Input::Fetched, Hook::Later),
    (Input::Fetched, Hook::Absent),
    (Input::Small, Hook::Later),
];

/// Every fifth request has an idempotency key.
const N_PER_KEY: usize = 5;

/// A request that a client has sent, and whose answer it has read.
#[derive(Debug, Clone)]
pub(super) struct SentRequest {
    /// The JSON of the request.
    data: Value,
    /// The uploaded image.
    pub(super) upload: Option<Bytes>,
    /// Whether the answer was a 202. If not, the answer was a 200 with a result.
    pub(super) is_accepted: bool,
    pub(super) idempotency_key: Option<String>,
}

/// The URLs for the requests.
pub(super) struct ScriptUrls<'a> {
    pub(super) image: String,
    pub(super) receiver: &'a WebhookReceiver,
}

/// Sends the requests with the given numbers, and waits until all their webhooks were delivered. Returns the
/// requests by their ids.
pub(super) async fn run(
    api: &ApiClient,
    urls: &ScriptUrls<'_>,
    numbers: Range<usize>,
) -> anyhow::Result<HashMap<Uuid, SentRequest>> {
    let mut sent = HashMap::new();
    for burst in numbers.collect::<Vec<_>>().chunks(N_AT_ONCE) {
        sent.extend(try_join_all(burst.iter().map(|number| send(api, urls, *number))).await?);
    }
    let accepted = sent.iter().filter(|(_, request)| request.is_accepted);
    let accepted: HashMap<Uuid, Instant> = accepted.map(|(id, _)| (*id, Instant::now())).collect();
    urls.receiver.wait_for(&accepted, IDLE_TIMEOUT).await;
    ensure!(
        urls.receiver.deliveries_of(&accepted).len() >= accepted.len(),
        "the server did not deliver all webhooks"
    );
    Ok(sent)
}

/// Sends one request. The number is different for each request.
async fn send(api: &ApiClient, urls: &ScriptUrls<'_>, number: usize) -> anyhow::Result<(Uuid, SentRequest)> {
    let (input, hook) = REQUESTS[number % REQUESTS.len()];
    let side = 64 + u32::try_from(number)?;
    let upload = match input {
        Input::Large => Some(TestImage::unchanged(550, 350 + side)?.bytes),
        Input::Small => Some(TestImage::unchanged(64, side)?.bytes),
        Input::Fetched => None,
    };
    let mut data = json!({});
    match hook {
        Hook::Now => data["webhook"] = json!({ "url": urls.receiver.url() }),
        Hook::Later => data["webhook"] = json!({ "url": urls.receiver.url(), "delay": 1 }),
        Hook::Retried => data["webhook"] = json!({ "url": urls.receiver.url_that_fails_first() }),
        Hook::Absent => {}
    }
    if upload.is_none() {
        data["url"] = json!(urls.image);
    }
    let idempotency_key = number.is_multiple_of(N_PER_KEY).then(|| format!("request {number}"));
    let is_accepted = !matches!(hook, Hook::Absent);
    let request = SentRequest { data, upload, is_accepted, idempotency_key };
    let response = request.send(api).await?;
    response.ensure(if is_accepted { StatusCode::ACCEPTED } else { StatusCode::OK })?;
    let id = response.id().context("an answer without an id")?;
    Ok((id, request))
}

impl SentRequest {
    /// Sends the request, and reads the response.
    pub(super) async fn send(&self, api: &ApiClient) -> anyhow::Result<ApiResponse> {
        api.process(&self.data, self.upload.as_ref(), self.idempotency_key.as_deref()).await
    }
}
