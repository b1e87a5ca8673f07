//! Who is calling: the account behind the request's key. Handlers take [`Caller`] as an argument, so that one that
//! needs an account cannot forget to ask.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use pixaven_ledger::Account;

use super::Api;
use super::answer::Answer;
use crate::error::{ApiError, Kind};
use crate::keys::ApiKey;
use crate::remembered::Remembered;

/// How long a key that was found stays known without asking the ledger: a revocation takes effect within this.
pub(super) const KNOWN_FOR: Duration = Duration::from_secs(1);

/// The authenticated account of a request.
pub(super) struct Caller(pub(super) Account);

/// Accounts of keys seen lately, by the keys' hash.
pub(super) type KnownKeys = Remembered<[u8; 32], Account>;

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
