//! The signing keys of accounts, kept for a moment: thousands of webhooks of one account need not ask for them
//! thousands of times.

use std::sync::Arc;
use std::time::Duration;

use pixaven_ledger::{AccountId, Ledger};

use super::sign::SigningKey;
use crate::remembered::Remembered;

/// How long a rotated secret may still be signed with, or a new one not yet.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// Why a webhook cannot be signed now. None of it is the receiver's fault.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignerError {
    #[error("the signing secrets cannot be read")]
    Ledger(#[from] pixaven_ledger::Error),
    #[error("the account has no usable signing secret")]
    NoSecret,
}

/// The keys of the accounts asked for lately.
pub(super) struct Signers {
    remembered: Remembered<AccountId, Arc<[SigningKey]>>,
}

impl Default for Signers {
    fn default() -> Self {
        Self { remembered: Remembered::new(FRESH_FOR) }
    }
}

impl Signers {
    /// The keys to sign with, newest first; never none.
    pub(super) async fn of(
        &self,
        ledger: &Ledger,
        account: AccountId,
    ) -> Result<Arc<[SigningKey]>, SignerError> {
        if let Some(keys) = self.remembered.get(&account) {
            return Ok(keys);
        }
        let found = ledger.account(account).await?.ok_or(SignerError::NoSecret)?;
        let keys: Arc<[_]> = found
            .webhook_secrets
            .iter()
            .filter_map(|secret| SigningKey::parse(secret.expose()).ok())
            .collect();
        if keys.is_empty() {
            return Err(SignerError::NoSecret);
        }
        self.remembered.put(account, Arc::clone(&keys));
        Ok(keys)
    }
}
