//! Keys, accounts, their usage, and the result files of requests.
//!
//! Beside what each method names, every one of them can fail with [`Error::Busy`], [`Error::Poisoned`],
//! [`Error::Closed`], [`Error::Corrupt`] or [`Error::Database`].

use uuid::Uuid;

use super::Ledger;
use crate::error::Error;
use crate::model::account::{Account, AccountId, KeyInfo, NewKey, Usage, UsageDelta};
use crate::model::request::StoredResult;

#[expect(clippy::missing_errors_doc, reason = "the module says once what all of them share")]
impl Ledger {
    /// Adds a key to the account `default`. The first key makes that account, with the signing secret given.
    /// [`Error::Exists`] when the key was added before.
    pub async fn create_key(&self, new: NewKey) -> Result<KeyInfo, Error> {
        todo!()
    }

    /// Every key, revoked ones too, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, Error> {
        todo!()
    }

    /// Ends the validity of a key. `false` when there is no such key or it was revoked before.
    pub async fn revoke_key(&self, id: &str) -> Result<bool, Error> {
        todo!()
    }

    /// The account a key belongs to; `None` when the key is unknown or revoked. Always asked of the database, so
    /// that a key made or revoked by another process counts at once.
    pub async fn account_by_key(&self, sha256: [u8; 32]) -> Result<Option<Account>, Error> {
        todo!()
    }

    /// An account by its id.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, Error> {
        todo!()
    }

    /// What an account has used. Read from maintained counters, whatever the size of the history.
    /// [`Error::UnknownAccount`] when there is no such account.
    pub async fn usage(&self, account: AccountId) -> Result<Usage, Error> {
        todo!()
    }

    /// Records a request that was answered at once: its usage, and the row of its result file if it left one.
    /// [`Error::UnknownAccount`], [`Error::Exists`].
    pub async fn record_result(
        &self,
        account: AccountId,
        usage: UsageDelta,
        result: Option<StoredResult>,
    ) -> Result<(), Error> {
        todo!()
    }

    /// The result file of a request under its name, unless it has expired.
    pub async fn result(&self, id: Uuid, name: &str) -> Result<Option<StoredResult>, Error> {
        todo!()
    }

    /// Result files whose time is over, longest over first: delete the file, then [`Ledger::forget_results`].
    pub async fn expired_results(&self, limit: u32) -> Result<Vec<StoredResult>, Error> {
        todo!()
    }

    /// Removes the rows of result files that are gone. Unknown ids are no error.
    pub async fn forget_results(&self, ids: &[Uuid]) -> Result<(), Error> {
        todo!()
    }
}
