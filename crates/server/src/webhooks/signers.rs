//! The signing keys of accounts, kept for a moment: thousands of webhooks of one account need not ask for them
//! thousands of times.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pixaven_ledger::{AccountId, Ledger};
use tokio::time::Instant;

use super::sign::SigningKey;

/// How long a rotated secret may still be signed with, or a new one not yet.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// Accounts remembered before all are forgotten.
const MAX_ACCOUNTS: usize = 10_000;

/// Why a webhook cannot be signed now. None of it is the receiver's fault.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignerError {
    #[error("the signing secrets cannot be read")]
    Ledger(#[from] pixaven_ledger::Error),
    #[error("the account has no usable signing secret")]
    NoSecret,
}

/// The keys of the accounts asked for lately.
#[derive(Default)]
pub(super) struct Signers {
    remembered: Mutex<HashMap<AccountId, Remembered>>,
}

struct Remembered {
    since: Instant,
    keys: Arc<[SigningKey]>,
}

impl Signers {
    /// The keys to sign with, newest first; never none.
    pub(super) async fn of(
        &self,
        ledger: &Ledger,
        account: AccountId,
    ) -> Result<Arc<[SigningKey]>, SignerError> {
        if let Some(keys) = self.remembered(account) {
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
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_ACCOUNTS {
            remembered.clear();
        }
        remembered.insert(account, Remembered { since: Instant::now(), keys: Arc::clone(&keys) });
        Ok(keys)
    }

    fn remembered(&self, account: AccountId) -> Option<Arc<[SigningKey]>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let Remembered { since, keys } = remembered.get(&account)?;
        (since.elapsed() < FRESH_FOR).then(|| Arc::clone(keys))
    }
}
