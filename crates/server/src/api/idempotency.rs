//! `Idempotency-Key`: a request with an idempotency key is processed only once. If the client sends the same
//! request again within a day, the client gets the answer to the first request. A different request with the
//! same key gets status 409. If a request fails, its key is released, so that the client can use the key
//! again.

use bytes::Bytes;
use http::HeaderMap;
use pixaven_ledger::{AccountId, IdempotencyStatus, IdempotentRequest, Ledger};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::ApiState;
use super::error::{ApiError, ErrorKind};
use super::response::ApiResponse;
use crate::runtime::lifecycle::Tasks;
use crate::work::request::RequestKind;
use crate::work::source::Source;

const HEADER: &str = "idempotency-key";
/// The length of the longest accepted idempotency key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// What the ledger knows about the idempotency key of a request.
pub(super) enum KeyState {
    /// No earlier request had this idempotency key. The key is reserved for this request while the request is
    /// processed.
    New(KeyReservation),
    /// An earlier request with this idempotency key was processed. The value is the answer to that request.
    Answered(ApiResponse),
}

/// The idempotency key of a request that is being processed. If this value is dropped before the request has
/// ended, for example because the client closes the connection, the key is released.
pub(super) struct KeyReservation {
    ledger: Ledger,
    tasks: Tasks,
    request: Option<IdempotentRequest>,
}

/// Parses the idempotency key in the headers of a request.
pub(super) fn parse_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|text| (1..=MAX_KEY_BYTES).contains(&text.len()));
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        ApiError::invalid(format!("Idempotency-Key must be 1 to {MAX_KEY_BYTES} printable ASCII characters"))
    })
}

/// Looks up an idempotency key in the ledger, and reserves the key for this request if no earlier request had
/// it.
pub(super) async fn begin(
    api: &ApiState,
    (account, id): (AccountId, Uuid),
    key: String,
    fingerprint: Fingerprint,
) -> Result<KeyState, ApiError> {
    let threads = &api.shared.pipeline.threads;
    let sha256 = threads.run(fingerprint.n_bytes(), move || fingerprint.sha256()).await?;
    let request = IdempotentRequest { account, key, sha256, id };
    let conflict = |message: &str| Err(ApiError::new(ErrorKind::Conflict, message));
    match api.shared.ledger.begin_idempotent(&request).await? {
        IdempotencyStatus::New => Ok(KeyState::New(KeyReservation {
            ledger: api.shared.ledger.clone(),
            tasks: api.shared.tasks.clone(),
            request: Some(request),
        })),
        IdempotencyStatus::Accepted { id } => Ok(KeyState::Answered(ApiResponse::accepted().replaying(id))),
        IdempotencyStatus::Answered { id, answer } => {
            Ok(KeyState::Answered(ApiResponse::envelope(answer).replaying(id)))
        }
        IdempotencyStatus::InProgress => {
            conflict("the request with this Idempotency-Key is still being processed")
        }
        IdempotencyStatus::KeyReused => conflict("this Idempotency-Key was used for another request"),
    }
}

/// The parts of a request that must be the same in every request with the same idempotency key.
pub(super) struct Fingerprint {
    kind: RequestKind,
    json: Bytes,
    file: Option<(Bytes, Option<String>)>,
}

impl Fingerprint {
    pub(super) fn new(kind: RequestKind, json: &Bytes, source: &Source) -> Self {
        let file = match source {
            Source::Upload { bytes, name, .. } => Some((bytes.clone(), name.clone())),
            Source::Stored { .. } | Source::Url { .. } => None,
        };
        Self { kind, json: json.clone(), file }
    }

    /// Returns the number of bytes that are hashed.
    fn n_bytes(&self) -> usize {
        self.json.len() + self.file.as_ref().map_or(0, |(file, _)| file.len())
    }

    /// Returns one SHA-256 of all parts of a request. The length of each part is hashed before the part, so
    /// that the hashed bytes of two different requests always differ.
    fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(match self.kind {
            RequestKind::Fetch => b"fetch ",
            RequestKind::Upload => b"upload",
        });
        let (file, name) = match &self.file {
            Some((file, name)) => (&file[..], name.as_deref().unwrap_or_default()),
            None => (&[][..], ""),
        };
        for part in [&self.json[..], name.as_bytes(), file] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

impl KeyReservation {
    /// Ends the reservation of the idempotency key after the request was accepted. The row of the request in
    /// the ledger keeps the key in use.
    pub(super) fn accepted(mut self) {
        self.request = None;
    }

    /// Ends the reservation of the idempotency key after the request was answered. Stores the answer, which
    /// the server sends again if a client repeats the request.
    pub(super) async fn answered(mut self, answer: &ApiResponse) -> Result<(), ApiError> {
        if let (Some(request), Some(envelope)) = (&self.request, answer.envelope_text()) {
            self.ledger.store_idempotent_answer(request, envelope.to_owned()).await?;
            self.request = None;
        }
        Ok(())
    }

    /// Ends the reservation of the idempotency key after the request failed. The client can then use the key
    /// again.
    pub(super) async fn failed(mut self) {
        if let Some(request) = self.request.take() {
            release(&self.ledger, &request).await;
        }
    }
}

impl Drop for KeyReservation {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            let ledger = self.ledger.clone();
            self.tasks.spawn("idempotency", async move { release(&ledger, &request).await });
        }
    }
}

async fn release(ledger: &Ledger, request: &IdempotentRequest) {
    if let Err(error) = ledger.release_idempotency_key(request).await {
        tracing::warn!(id = %request.id, %error, "an idempotency key could not be released; it stays reserved for a while");
    }
}
