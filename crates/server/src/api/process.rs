//! `POST /1.0/fetch` and `POST /1.0/upload` process an image. Both accept the same JSON. For `fetch`, the
//! JSON contains the URL of the image; for `upload`, the body contains the image. Without a webhook, the
//! answer is JSON or the image file itself. With a webhook, the answer is 202 as soon as the request is
//! durable.

use axum::Extension;
use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::HeaderMap;
use pixaven_ledger::{AccountId, InputRef, NewRequest, NewWebhook};
use pixaven_net::file_name;
use uuid::Uuid;

use super::error::ApiError;
use super::idempotency::{Fingerprint, KeyState};
use super::multipart::UploadLimits;
use super::response::{ApiResponse, RequestId};
use super::{ApiSettings, ApiState, admission, body, envelope, idempotency, multipart};
use crate::delivery::authority_of;
use crate::runtime::seal::{Seal, request_context, webhook_context};
use crate::work::Caller;
use crate::work::blobs::Blobs;
use crate::work::pipeline::Order;
use crate::work::request::{self, RequestError, RequestKind, ResponseMode, Spec, StoredRequest, WebhookSpec};
use crate::work::sandbox::Ticket;
use crate::work::source::{Source, check_not_empty};

/// A request that was received, parsed and checked.
struct ImageRequest {
    id: Uuid,
    account: AccountId,
    base_url: String,
    kind: RequestKind,
    json: Bytes,
    spec: Spec,
    source: Source,
    /// The place of an upload in the queue for workers.
    ticket: Option<Ticket>,
}

pub(super) async fn fetch(
    State(api): State<ApiState>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> ApiResponse {
    handle(&api, id.0, RequestKind::Fetch, request).await
}

pub(super) async fn upload(
    State(api): State<ApiState>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> ApiResponse {
    handle(&api, id.0, RequestKind::Upload, request).await
}

async fn handle(api: &ApiState, id: Uuid, kind: RequestKind, request: Request) -> ApiResponse {
    let (head, body) = request.into_parts();
    let binary_header = request::is_binary_requested_by_header(&head.headers);
    let mut chunks = body.into_data_stream();
    let received = receive(api, kind, &head.headers, &mut chunks, binary_header).await;
    let Received { account, json, spec, source, ticket } = match received {
        Ok(received) => received,
        Err(Refusal { error, wants_binary }) => {
            body::drain(&mut chunks, &error).await;
            return ApiResponse::from(error).binary_if(binary_header || wants_binary);
        }
    };
    let binary = spec.response == ResponseMode::Binary;
    let base_url = api.shared.links.of_request(&head.headers);
    let request = ImageRequest { id, account, base_url, kind, json, spec, source, ticket };
    let answered = match idempotency_key(&head.headers, &request) {
        Ok(None) => process(api, request).await,
        Ok(Some(key)) => process_once(api, key, request).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| ApiResponse::from(error).binary_if(binary))
}

/// Returns the idempotency key of a request. A request whose answer is the image file itself must not have a
/// key, because the server stores only JSON answers for repeated requests.
fn idempotency_key(headers: &HeaderMap, request: &ImageRequest) -> Result<Option<String>, ApiError> {
    let key = idempotency::parse_key(headers)?;
    if key.is_some() && request.spec.response == ResponseMode::Binary {
        return Err(ApiError::invalid("Idempotency-Key cannot be used together with a binary response"));
    }
    Ok(key)
}

async fn process(api: &ApiState, request: ImageRequest) -> Result<ApiResponse, ApiError> {
    if request.spec.webhook.is_some() { accept(api, request).await } else { process_now(api, request).await }
}

/// Processes a request with an idempotency key, unless a request with this key was already processed.
async fn process_once(api: &ApiState, key: String, request: ImageRequest) -> Result<ApiResponse, ApiError> {
    let fingerprint = Fingerprint::new(request.kind, &request.json, &request.source);
    let begun = idempotency::begin(api, (request.account, request.id), key, fingerprint).await?;
    let reservation = match begun {
        KeyState::New(reservation) => reservation,
        KeyState::Answered(answer) => return Ok(answer),
    };
    let is_accepted = request.spec.webhook.is_some();
    match process(api, request).await {
        Ok(answer) if is_accepted => {
            reservation.accepted();
            Ok(answer)
        }
        Ok(answer) => reservation.answered(&answer).await.map(|()| answer),
        Err(error) => {
            reservation.failed().await;
            Err(error)
        }
    }
}

/// The failure of an image request that could not be received or parsed completely.
struct Refusal {
    error: ApiError,
    /// Whether the JSON of the request contains `"response": {"mode": "binary"}`. JSON that cannot be parsed
    /// counts as JSON without this member.
    wants_binary: bool,
}

impl Refusal {
    fn of_request(error: RequestError, json: &[u8]) -> Self {
        Self { error: error.into(), wants_binary: request::is_binary_requested_by_json(json) }
    }
}

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self { error: error.into(), wants_binary: false }
    }
}

/// The parts of an image request that come from its sender.
struct Received {
    account: AccountId,
    json: Bytes,
    spec: Spec,
    source: Source,
    ticket: Option<Ticket>,
}

/// Authenticates an image request, then reads and parses its body. The body of an upload is read only if the
/// server can process the image soon.
async fn receive(
    api: &ApiState,
    kind: RequestKind,
    headers: &HeaderMap,
    chunks: &mut BodyDataStream,
    binary_header: bool,
) -> Result<Received, Refusal> {
    let account = api.authenticate(headers).await?.id;
    match kind {
        RequestKind::Fetch => {
            let json = body::read(api, chunks).await?;
            let spec = parse(api, &json, kind, binary_header).await?;
            let source = Source::of_url(&spec)?;
            Ok(Received { account, json, spec, source, ticket: None })
        }
        RequestKind::Upload => {
            let ticket = Some(admission::admit_upload(api, headers)?);
            let limits = api.shared.settings.upload_limits();
            let memory = &api.shared.pipeline.sources.memory;
            let upload = multipart::read(headers, chunks, &limits, memory).await?;
            let spec = parse(api, &upload.data, kind, binary_header).await?;
            let name = upload.name.as_deref().and_then(file_name::clean);
            let source = Source::Upload { bytes: upload.file, name, reservation: upload.reservation };
            Ok(Received { account, json: upload.data, spec, source, ticket })
        }
    }
}

/// Parses the JSON of a request. Large JSON is parsed outside of the threads that serve connections.
async fn parse(
    api: &ApiState,
    json: &Bytes,
    kind: RequestKind,
    binary_header: bool,
) -> Result<Spec, Refusal> {
    let (n_bytes, json) = (json.len(), json.clone());
    let parse =
        move || request::parse(&json, kind, binary_header).map_err(|error| Refusal::of_request(error, &json));
    api.shared.pipeline.threads.run(n_bytes, parse).await?
}

/// Processes an image while the client waits. The result is stored even if the answer contains the image
/// itself, because every answer contains the download URL of the result. The server answers after the ledger
/// has committed, so that the URL works when the client gets it.
async fn process_now(api: &ApiState, request: ImageRequest) -> Result<ApiResponse, ApiError> {
    let ImageRequest { id, account, base_url, spec, source, ticket, .. } = request;
    let pipeline = &api.shared.pipeline;
    let ticket = match ticket {
        Some(ticket) => ticket,
        None => pipeline.sandbox.admit(Caller::Interactive, None)?,
    };
    let order = Order { id, account, spec: &spec, ticket: &ticket };
    let (image, place) = pipeline.produce(&order, source, 0).await?;
    let record = api.shared.ledger.record_result(account, image.usage(), place.stored().cloned());
    pipeline.commit(&place, record).await?;
    let url = pipeline.url_of(&place, &spec, &base_url, id);
    let envelope = envelope::success(id, &image, &url);
    Ok(match spec.response {
        ResponseMode::Json => ApiResponse::envelope(envelope),
        ResponseMode::Binary => ApiResponse::file(image.bytes, image.output.format.media_type(), envelope),
    })
}

/// Makes an image request durable and answers 202. An uploaded image is stored before the row of the request
/// is committed.
async fn accept(api: &ApiState, request: ImageRequest) -> Result<ApiResponse, ApiError> {
    let webhook = request.spec.webhook.as_ref().ok_or_else(|| ApiError::internal("no webhook"))?;
    let n_json_bytes = request.json.len();
    let webhook = new_webhook(request.id, webhook, &api.shared.pipeline.seal)?;
    // The ticket is the place of the request in the queue for workers. An accepted request does not wait for
    // a worker, because a job processes the image later. The job of the request gets a new ticket.
    drop(request.ticket);
    let pipeline = &api.shared.pipeline;
    if let Some(watermark) = &request.spec.watermark {
        pipeline.watermarks.find(request.account, watermark, Caller::Interactive).await?;
    }
    let input = match request.source {
        Source::Upload { bytes, name, .. } => {
            check_not_empty(&bytes)?;
            let n_bytes = bytes.len() as u64;
            let content = pipeline.blobs.store(Blobs::input_key(request.id), bytes, None).await?;
            InputRef::Upload { content, name: name.unwrap_or_default(), bytes: n_bytes }
        }
        Source::Stored { .. } | Source::Url { .. } => InputRef::Url,
    };
    let (kind, base_url, json) = (request.kind, request.base_url, request.json);
    let (id, seal) = (request.id, pipeline.seal.clone());
    let serialize = move || {
        let request = String::from_utf8(json.to_vec()).map_err(ApiError::internal)?;
        let stored = StoredRequest { kind, base_url, request };
        let spec = serde_json::to_string(&stored).map_err(ApiError::internal)?;
        // What is removed from the request when its job ends is sealed until then.
        match stored.without_secrets()? {
            Some(_) => seal.seal(&request_context(id), &spec).map_err(ApiError::internal),
            None => Ok(spec),
        }
    };
    let spec = pipeline.threads.run(n_json_bytes, serialize).await??;
    let content = input.content().cloned();
    let accepted = NewRequest { id: request.id, account: request.account, spec, input, webhook };
    let written = api.shared.ledger.accept(accepted).await;
    if let Some(content) = content {
        pipeline.blobs.undo_if_rolled_back(&content, &written).await;
    }
    written?;
    Ok(ApiResponse::accepted())
}

fn new_webhook(id: Uuid, webhook: &WebhookSpec, seal: &Seal) -> Result<NewWebhook, ApiError> {
    let context = webhook_context(id);
    Ok(NewWebhook {
        url: seal.seal_url(&context, &webhook.url).map_err(ApiError::internal)?,
        authority: authority_of(&webhook.url),
        delay_ms: webhook.delay_ms,
        expires_ms: webhook.expires_ms,
        retry: webhook.retry,
        headers: seal.seal_headers(&context, &webhook.headers).map_err(ApiError::internal)?,
    })
}

impl ApiSettings {
    pub(super) fn upload_limits(&self) -> UploadLimits {
        UploadLimits { file_bytes: self.body_bytes, data_bytes: self.json_bytes, timeout: self.body_timeout }
    }
}
