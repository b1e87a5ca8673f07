//! `POST /1.0/fetch` and `POST /1.0/upload`: the same request with its image behind a URL or in the body; answered
//! with JSON, with the file itself, or, with a webhook, by 202 once it is durable.

use axum::Extension;
use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::{HeaderMap, header};
use pixaven_ledger::{AccountId, InputRef, NewRequest, NewWebhook};
use uuid::Uuid;

use super::answer::{Answer, RequestId};
use super::idempotency::{Asked, Begun};
use super::{Api, Settings, body, idempotency, multipart};
use crate::blobs::Blobs;
use crate::error::ApiError;
use crate::file_name;
use crate::jobs::{KeptRequest, was_not_written};
use crate::pipeline::{Done, result_url};
use crate::request::{self, Origin, Problem, ResponseMode, Spec, WebhookSpec};
use crate::response;
use crate::sandbox::Patience;
use crate::source::{Source, not_empty};

/// One request on its way through.
struct Work {
    id: Uuid,
    account: AccountId,
    base_url: String,
    origin: Origin,
    json: Bytes,
    spec: Spec,
    source: Source,
}

pub(super) async fn fetch(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Answer {
    answer(&api, id.0, Origin::Fetch, request).await
}

pub(super) async fn upload(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Answer {
    answer(&api, id.0, Origin::Upload, request).await
}

async fn answer(api: &Api, id: Uuid, origin: Origin, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let binary_header =
        request::wants_binary(head.headers.get("x-pixaven-binary").map(http::HeaderValue::as_bytes));
    let mut chunks = body.into_data_stream();
    let received = receive(api, origin, &head.headers, &mut chunks, binary_header).await;
    let (account, json, spec, source) = match received {
        Ok(received) => received,
        Err(Refused { error, wants_binary }) => {
            body::drain(&mut chunks).await;
            return Answer::from(error).binary_if(binary_header || wants_binary);
        }
    };
    let binary = spec.response == ResponseMode::Binary;
    let base_url = api.base_url(&head.headers);
    let work = Work { id, account, base_url, origin, json, spec, source };
    let answered = match named(&head.headers, &work) {
        Ok(None) => process(api, work).await,
        Ok(Some(key)) => process_once(api, key, work).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| Answer::from(error).binary_if(binary))
}

/// The name that the caller gave the request. A file is not kept to be handed out again, so what asks for one has none.
fn named(headers: &HeaderMap, work: &Work) -> Result<Option<String>, ApiError> {
    let key = idempotency::key(headers)?;
    if key.is_some() && work.spec.response == ResponseMode::Binary {
        return Err(ApiError::invalid("Idempotency-Key cannot be used together with a binary response"));
    }
    Ok(key)
}

async fn process(api: &Api, work: Work) -> Result<Answer, ApiError> {
    if work.spec.webhook.is_some() { accept(api, work).await } else { perform(api, work).await }
}

/// Does a named request, unless that was done before.
async fn process_once(api: &Api, key: String, work: Work) -> Result<Answer, ApiError> {
    let asked = Asked::new(work.origin, &work.json, &work.source);
    let hold = match idempotency::begin(api, (work.account, work.id), key, asked).await? {
        Begun::New(hold) => hold,
        Begun::Again(answer) => return Ok(answer),
    };
    let is_accepted = work.spec.webhook.is_some();
    match process(api, work).await {
        Ok(answer) if is_accepted => {
            hold.accepted();
            Ok(answer)
        }
        Ok(answer) => hold.answered(&answer).await.map(|()| answer),
        Err(error) => {
            hold.failed().await;
            Err(error)
        }
    }
}

/// A request that was refused before it was understood.
struct Refused {
    error: ApiError,
    /// Whether its JSON asked for a file, as far as it can be read.
    wants_binary: bool,
}

impl Refused {
    fn of(problem: Problem, json: &[u8]) -> Self {
        Self { error: problem.into(), wants_binary: request::mentions_binary(json) }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, wants_binary: false }
    }
}

/// Reads a request to its end, once its key is known.
async fn receive(
    api: &Api,
    origin: Origin,
    headers: &HeaderMap,
    chunks: &mut BodyDataStream,
    binary_header: bool,
) -> Result<(AccountId, Bytes, Spec, Source), Refused> {
    let account = api.authenticate(headers).await?.id;
    let settings = &api.shared.settings;
    match origin {
        Origin::Fetch => {
            let json = body::read(chunks, settings.json_bytes, settings.body_timeout).await?;
            let spec = request::parse(&json, origin, binary_header)
                .map_err(|problem| Refused::of(problem, &json))?;
            let source = Source::of_url(&spec)?;
            Ok((account, json, spec, source))
        }
        Origin::Upload => {
            let mut reservation = api.shared.pipeline.sources.memory.reserve();
            let upload = multipart::read(headers, chunks, &settings.upload_caps(), &mut reservation).await?;
            let spec = request::parse(&upload.data, origin, binary_header)
                .map_err(|problem| Refused::of(problem, &upload.data))?;
            let name = upload.name.as_deref().and_then(file_name::clean);
            let source = Source::Upload { bytes: upload.file, name, reservation };
            Ok((account, upload.data, spec, source))
        }
    }
}

/// Processes now, while the caller waits.
async fn perform(api: &Api, work: Work) -> Result<Answer, ApiError> {
    let pipeline = &api.shared.pipeline;
    let done = pipeline.run(work.account, &work.spec, work.source, Patience::Refuse).await;
    let done = done.map_err(ApiError::from)?;
    if work.spec.response == ResponseMode::Binary {
        return Ok(send_file(api, work.id, work.account, done));
    }
    let stored = pipeline.keep(work.id, work.account, &done, 0).await?;
    let url = result_url(&work.base_url, work.id, &stored.name);
    let content = stored.content.clone();
    if let Err(error) = api.shared.ledger.record_result(work.account, done.usage(), Some(stored)).await {
        if was_not_written(&error) {
            pipeline.forget(&content).await;
        }
        return Err(error.into());
    }
    Ok(Answer::envelope(response::success(work.id, &done, Some(&url))))
}

/// Nothing is kept of a file that is handed over at once but its numbers, which need not hold up the answer.
fn send_file(api: &Api, id: Uuid, account: AccountId, done: Done) -> Answer {
    let (ledger, usage) = (api.shared.ledger.clone(), done.usage());
    api.shared.tasks.spawn("usage", async move {
        if let Err(error) = ledger.record_result(account, usage, None).await {
            tracing::warn!(%id, %error, "a request could not be counted");
        }
    });
    let envelope = response::success(id, &done, None);
    Answer::file(done.bytes, done.output.format.media_type(), envelope)
}

/// Makes the request durable, input first, and answers 202.
async fn accept(api: &Api, work: Work) -> Result<Answer, ApiError> {
    let webhook = work.spec.webhook.as_ref().ok_or_else(|| ApiError::internal("no webhook"))?;
    let webhook = new_webhook(webhook);
    if let Some(watermark) = &work.spec.watermark {
        api.shared.pipeline.watermarks.find(work.account, watermark, Patience::Refuse).await?;
    }
    let input = match work.source {
        Source::Upload { bytes, name, .. } => {
            not_empty(&bytes)?;
            let n_bytes = bytes.len() as u64;
            let content = api.shared.pipeline.blobs.keep(Blobs::input_key(work.id), bytes).await?;
            InputRef::Upload { content, name: name.unwrap_or_default(), bytes: n_bytes }
        }
        Source::Kept { .. } | Source::Url { .. } => InputRef::Url,
    };
    let request = String::from_utf8(work.json.to_vec()).map_err(ApiError::internal)?;
    let kept = KeptRequest { origin: work.origin, base_url: work.base_url, request };
    let spec = serde_json::to_string(&kept).map_err(ApiError::internal)?;
    let accepted = NewRequest { id: work.id, account: work.account, spec, input, webhook };
    let content = accepted.input.content().cloned();
    if let Err(error) = api.shared.ledger.accept(accepted).await {
        if let Some(content) = content.filter(|_| was_not_written(&error)) {
            api.shared.pipeline.forget(&content).await;
        }
        return Err(error.into());
    }
    Ok(Answer::accepted())
}

fn new_webhook(webhook: &WebhookSpec) -> NewWebhook {
    let port = webhook.url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    NewWebhook {
        url: webhook.url.to_string(),
        authority: format!("{}{port}", webhook.url.host_str().unwrap_or_default()),
        delay_ms: webhook.delay_ms,
        expires_ms: webhook.expires_ms,
        retry: webhook.retry,
        headers: webhook.headers.clone(),
    }
}

impl Settings {
    pub(super) fn upload_caps(&self) -> multipart::Caps {
        multipart::Caps {
            file_bytes: self.body_bytes,
            data_bytes: self.json_bytes,
            timeout: self.body_timeout,
        }
    }
}

impl Api {
    /// What results are linked below: the configured address, or the name by which the caller called us.
    fn base_url(&self, headers: &HeaderMap) -> String {
        let settings = &self.shared.settings;
        if let Some(url) = &settings.public_url {
            return url.clone();
        }
        let scheme = if settings.tls { "https" } else { "http" };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
        let host = host.map_or_else(|| settings.address.to_string(), |host| host.to_string());
        format!("{scheme}://{host}")
    }
}
