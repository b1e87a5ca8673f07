//! Authentication: finds the account of the request's API key. A handler that needs an account has a
//! parameter of type [`Authenticated`], so that the handler cannot run without this check.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use pixaven_ledger::Account;

use super::ApiState;
use super::response::ApiResponse;
use crate::api::api_key::ApiKey;
use crate::api::error::{ApiError, ErrorKind};
use crate::runtime::ttl_cache::TtlCache;

/// How long a valid API key is cached. A revoked key is accepted for at most this time after its revocation.
const KEY_CACHE_TTL: Duration = Duration::from_secs(1);

/// The account that owns the API key of the request.
pub(super) struct Authenticated(pub(super) Account);

/// A cache of accounts. The key of an entry is the SHA-256 of an API key.
pub(super) type KeyCache = TtlCache<[u8; 32], Account>;

/// Creates an empty cache of accounts.
pub(super) fn key_cache() -> KeyCache {
    TtlCache::new(KEY_CACHE_TTL)
}

impl ApiState {
    /// Returns the account of the API key in the `Authorization` header.
    pub(super) async fn authenticate(&self, headers: &http::HeaderMap) -> Result<Account, ApiError> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            let message = "an API key is needed: as the user name of HTTP Basic, with an empty password, or as a Bearer token";
            return Err(ApiError::new(ErrorKind::Unauthorized, message));
        };
        let unknown = || ApiError::new(ErrorKind::Unauthorized, "this API key is not known, or was revoked");
        let sha256 = ApiKey::from_authorization(value.as_bytes()).ok_or_else(unknown)?.sha256();
        if let Some(account) = self.shared.keys.get(&sha256) {
            return Ok(account);
        }
        let account = self.shared.ledger.account_by_key(sha256).await?.ok_or_else(unknown)?;
        self.shared.keys.put(sha256, account.clone());
        Ok(account)
    }
}

impl FromRequestParts<ApiState> for Authenticated {
    type Rejection = ApiResponse;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiResponse> {
        Ok(Self(api.authenticate(&parts.headers).await?))
    }
}
