//! `Idempotency-Key`: a request that its caller named is done once. Asked for again within a day, it is answered as it was
//! the first time; the same name on anything else is a conflict. A request that fails gives its name back.

use bytes::Bytes;
use http::HeaderMap;
use pixaven_ledger::{AccountId, Ledger, Named, NamedRequest};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Api;
use super::answer::Answer;
use crate::error::{ApiError, Kind};
use crate::lifecycle::Tasks;
use crate::request::Origin;
use crate::source::Source;

const HEADER: &str = "idempotency-key";
/// The longest name.
const MAX_KEY_BYTES: usize = 255;

/// What a named request is to do.
pub(super) enum Begun {
    /// Go on; the name is held until the request ended.
    New(Hold),
    /// This is the answer.
    Again(Answer),
}

/// The name of a request that is being processed. Dropped before the request ended, as when its caller hangs up, it is
/// given back.
pub(super) struct Hold {
    ledger: Ledger,
    tasks: Tasks,
    named: Option<NamedRequest>,
}

/// The name in a request's headers.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|text| (1..=MAX_KEY_BYTES).contains(&text.len()));
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        ApiError::invalid(format!("Idempotency-Key must be 1 to {MAX_KEY_BYTES} printable ASCII characters"))
    })
}

/// Looks the name up, and takes it for this request if it is new.
pub(super) async fn begin(
    api: &Api,
    (account, id): (AccountId, Uuid),
    key: String,
    asked: Asked,
) -> Result<Begun, ApiError> {
    let sha256 = tokio::task::spawn_blocking(move || asked.sha256()).await.map_err(ApiError::internal)?;
    let named = NamedRequest { account, key, sha256, id };
    let conflict = |message: &str| Err(ApiError::new(Kind::Conflict, message));
    match api.shared.ledger.begin_named(&named).await? {
        Named::New => Ok(Begun::New(Hold {
            ledger: api.shared.ledger.clone(),
            tasks: api.shared.tasks.clone(),
            named: Some(named),
        })),
        Named::Accepted { id } => Ok(Begun::Again(Answer::accepted().again(id))),
        Named::Answered { id, answer } => Ok(Begun::Again(Answer::envelope(answer).again(id))),
        Named::Processing => conflict("the request with this Idempotency-Key is still being processed"),
        Named::Other => conflict("this Idempotency-Key was used for another request"),
    }
}

/// Everything that makes a request what it is.
pub(super) struct Asked {
    origin: Origin,
    json: Bytes,
    file: Option<(Bytes, Option<String>)>,
}

impl Asked {
    pub(super) fn new(origin: Origin, json: &Bytes, source: &Source) -> Self {
        let file = match source {
            Source::Upload { bytes, name, .. } => Some((bytes.clone(), name.clone())),
            Source::Kept { .. } | Source::Url { .. } => None,
        };
        Self { origin, json: json.clone(), file }
    }

    /// Each part with its length before it, so that no two requests read alike.
    fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(match self.origin {
            Origin::Fetch => b"fetch ",
            Origin::Upload => b"upload",
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

impl Hold {
    /// The request was accepted: its row in the ledger keeps the name.
    pub(super) fn accepted(mut self) {
        self.named = None;
    }

    /// The request was answered like this, and so it is again.
    pub(super) async fn answered(mut self, answer: &Answer) -> Result<(), ApiError> {
        if let (Some(named), Some(envelope)) = (&self.named, answer.envelope_text()) {
            self.ledger.answer_named(named, envelope.to_owned()).await?;
            self.named = None;
        }
        Ok(())
    }

    /// The request came to nothing.
    pub(super) async fn failed(mut self) {
        if let Some(named) = self.named.take() {
            let_go(&self.ledger, &named).await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(named) = self.named.take() {
            let ledger = self.ledger.clone();
            self.tasks.spawn("idempotency", async move { let_go(&ledger, &named).await });
        }
    }
}

async fn let_go(ledger: &Ledger, named: &NamedRequest) {
    if let Err(error) = ledger.let_go_of_name(named).await {
        tracing::warn!(id = %named.id, %error, "a request's name could not be given back; it is taken for a while");
    }
}
