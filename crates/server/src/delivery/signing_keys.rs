//! Caches the signing keys of accounts, so that thousands of webhooks of one account need only one read of
//! its secrets.

use std::sync::Arc;
use std::time::Duration;

use pixaven_ledger::{AccountId, Ledger};

use super::signing::SigningKey;
use crate::runtime::seal::{SIGNING_SECRET, Seal, SealError};
use crate::runtime::ttl_cache::TtlCache;

/// How long the signing keys of an account are cached. After a rotation of the secrets, webhooks are signed
/// with the old secrets for at most this long.
const KEYS_TTL: Duration = Duration::from_secs(10);

/// Why a webhook cannot be signed now. None of these errors is a fault of the receiver.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The secrets of the account could not be read from the ledger.
    #[error("the signing secrets cannot be read")]
    Ledger(#[from] pixaven_ledger::Error),
    /// A secret of the account could not be unsealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The account has no secret that can be parsed.
    #[error("the account has no usable signing secret")]
    NoSecret,
}

/// A cache of the active signing keys of each account.
pub(super) struct SigningKeys {
    cache: TtlCache<AccountId, Arc<[SigningKey]>>,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self { cache: TtlCache::new(KEYS_TTL) }
    }
}

impl SigningKeys {
    /// Returns the active signing keys of an account, newest first. The list has at least one key.
    pub(super) async fn of(
        &self,
        ledger: &Ledger,
        seal: &Seal,
        account: AccountId,
    ) -> Result<Arc<[SigningKey]>, SigningKeyError> {
        if let Some(keys) = self.cache.get(&account) {
            return Ok(keys);
        }
        let found = ledger.account(account).await?.ok_or(SigningKeyError::NoSecret)?;
        let secrets = found.webhook_secrets.iter().map(|secret| seal.unseal(SIGNING_SECRET, secret.expose()));
        let secrets: Vec<String> = secrets.collect::<Result<_, _>>()?;
        let keys: Arc<[_]> = secrets.iter().filter_map(|secret| SigningKey::parse(secret).ok()).collect();
        if keys.is_empty() {
            return Err(SigningKeyError::NoSecret);
        }
        self.cache.put(account, Arc::clone(&keys));
        Ok(keys)
    }
}
