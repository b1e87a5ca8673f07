//! A cache of the accounts' signing keys, so that thousands of webhooks of one account read the secrets from the ledger once.

use std::sync::Arc;
use std::time::Duration;

use pixaven_ledger::{AccountId, Ledger};

use super::signing::SigningKey;
use crate::runtime::ttl_cache::TtlCache;

/// Time for which keys are cached. After a rotation, webhooks are signed with the old set of secrets for at most this long.
const KEYS_TTL: Duration = Duration::from_secs(10);

/// Why a webhook cannot be signed now. None of the reasons is the receiver's fault.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The ledger could not be read.
    #[error("the signing secrets cannot be read")]
    Ledger(#[from] pixaven_ledger::Error),
    /// The account has no secret, or none that can be parsed.
    #[error("the account has no usable signing secret")]
    NoSecret,
}

/// The cached keys by account.
pub(super) struct SigningKeys {
    cache: TtlCache<AccountId, Arc<[SigningKey]>>,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self { cache: TtlCache::new(KEYS_TTL) }
    }
}

impl SigningKeys {
    /// The active keys of an account, newest first. There is at least one.
    pub(super) async fn of(
        &self,
        ledger: &Ledger,
        account: AccountId,
    ) -> Result<Arc<[SigningKey]>, SigningKeyError> {
        if let Some(keys) = self.cache.get(&account) {
            return Ok(keys);
        }
        let found = ledger.account(account).await?.ok_or(SigningKeyError::NoSecret)?;
        let keys: Arc<[_]> = found
            .webhook_secrets
            .iter()
            .filter_map(|secret| SigningKey::parse(secret.expose()).ok())
            .collect();
        if keys.is_empty() {
            return Err(SigningKeyError::NoSecret);
        }
        self.cache.put(account, Arc::clone(&keys));
        Ok(keys)
    }
}
