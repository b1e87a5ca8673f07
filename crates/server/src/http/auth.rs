//! Who is calling: the account behind the request's key. Handlers take [`Caller`] as an argument, so that one that
//! needs an account cannot forget to ask.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use pixaven_ledger::Account;

use super::Api;
use super::answer::Answer;
use crate::error::{ApiError, Kind};
use crate::keys::ApiKey;

/// How long a key that was found stays known without asking the ledger: a revocation takes effect within this.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Keys remembered at once.
const N_KNOWN_MAX: usize = 10_000;

/// The authenticated account of a request.
pub(super) struct Caller(pub(super) Account);

/// Keys seen lately, by their hash.
#[derive(Default)]
pub(super) struct KeyCache {
    known: Mutex<HashMap<[u8; 32], (Instant, Account)>>,
}

impl KeyCache {
    fn get(&self, sha256: &[u8; 32]) -> Option<Account> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, account) = known.get(sha256)?;
        (since.elapsed() < KNOWN_FOR).then(|| account.clone())
    }

    fn put(&self, sha256: [u8; 32], account: Account) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= N_KNOWN_MAX {
            known.retain(|_, (since, _)| since.elapsed() < KNOWN_FOR);
        }
        if known.len() < N_KNOWN_MAX {
            known.insert(sha256, (Instant::now(), account));
        }
    }
}

impl Api {
    /// The account behind an `Authorization` header.
    pub(super) async fn authenticate(&self, headers: &http::HeaderMap) -> Result<Account, ApiError> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            let message = "an API key is needed: as the user name of HTTP Basic, with an empty password, or as a Bearer token";
            return Err(ApiError::new(Kind::Unauthorized, message));
        };
        let unknown = || ApiError::new(Kind::Unauthorized, "this API key is not known, or was revoked");
        let sha256 = ApiKey::from_authorization(value.as_bytes()).ok_or_else(unknown)?.sha256();
        if let Some(account) = self.shared.keys.get(&sha256) {
            return Ok(account);
        }
        let account = self.shared.ledger.account_by_key(sha256).await?.ok_or_else(unknown)?;
        self.shared.keys.put(sha256, account.clone());
        Ok(account)
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Answer> {
        Ok(Self(api.authenticate(&parts.headers).await?))
    }
}
