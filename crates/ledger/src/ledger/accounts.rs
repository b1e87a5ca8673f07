//! Keys, accounts, their usage, and the result files of requests.
//!
//! Beside what each method names, every one of them can fail with [`Error::Busy`], [`Error::Poisoned`],
//! [`Error::Closed`], [`Error::Corrupt`] or [`Error::Database`].

use uuid::Uuid;

use super::Ledger;
use crate::error::Error;
use crate::model::account::{Account, AccountId, KeyInfo, NewKey, Secret, SecretInfo, Usage, UsageDelta};
use crate::model::request::{ExpiredResult, StoredResult};
use crate::sql;

#[expect(clippy::missing_errors_doc, reason = "the module says once what all of them share")]
impl Ledger {
    /// Adds a key to the account `default`. The first key makes that account, with the signing secret given.
    /// [`Error::Exists`] when the key was added before.
    pub async fn create_key(&self, new: NewKey) -> Result<KeyInfo, Error> {
        self.write(move |tx| sql::accounts::create_key(tx, &new)).await
    }

    /// Every key, revoked ones too, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, Error> {
        self.read(sql::accounts::keys).await
    }

    /// Ends the validity of a key. `false` when there is no such key or it was revoked before.
    pub async fn revoke_key(&self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        self.write(move |tx| sql::accounts::revoke_key(tx, &id)).await
    }

    /// The account a key belongs to; `None` when the key is unknown or revoked. Always asked of the database, so
    /// that a key made or revoked by another process counts at once.
    pub async fn account_by_key(&self, sha256: [u8; 32]) -> Result<Option<Account>, Error> {
        self.read(move |tx| sql::accounts::account_by_key(tx, &sha256)).await
    }

    /// An account by its id.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, Error> {
        self.read(move |tx| sql::accounts::account(tx, id)).await
    }

    /// The secrets that the webhooks of an account are signed with now, newest first.
    pub async fn secrets(&self, account: AccountId) -> Result<Vec<SecretInfo>, Error> {
        self.read(move |tx| sql::accounts::secrets(tx, account)).await
    }

    /// Adds a signing secret. Those before it stay in force for another `overlap_ms`, or for as long as they had
    /// anyway. Returns the ones in force now. [`Error::UnknownAccount`].
    pub async fn rotate_secret(
        &self,
        account: AccountId,
        secret: Secret,
        overlap_ms: i64,
    ) -> Result<Vec<SecretInfo>, Error> {
        self.write(move |tx| sql::accounts::rotate_secret(tx, account, secret.expose(), overlap_ms)).await
    }

    /// What an account has used. Read from maintained counters, whatever the size of the history.
    /// [`Error::UnknownAccount`] when there is no such account.
    pub async fn usage(&self, account: AccountId) -> Result<Usage, Error> {
        self.read(move |tx| sql::accounts::usage(tx, account)).await
    }

    /// Records a request that was answered at once: its usage, and its result if it left one.
    /// [`Error::UnknownAccount`], [`Error::Exists`].
    pub async fn record_result(
        &self,
        account: AccountId,
        usage: UsageDelta,
        result: Option<StoredResult>,
    ) -> Result<(), Error> {
        self.write(move |tx| sql::results::record(tx, account, usage, result.as_ref())).await
    }

    /// The result of a request under its name, unless it has expired.
    pub async fn result(&self, id: Uuid, name: &str) -> Result<Option<StoredResult>, Error> {
        let name = name.to_owned();
        self.read(move |tx| sql::results::find(tx, id, &name)).await
    }

    /// Results whose time is over, longest over first: delete their files, then [`Ledger::forget_results`].
    pub async fn expired_results(&self, limit: u32) -> Result<Vec<ExpiredResult>, Error> {
        self.read(move |tx| sql::results::expired(tx, limit)).await
    }

    /// Removes the rows of results whose files are gone. Unknown ids are no error.
    pub async fn forget_results(&self, ids: &[Uuid]) -> Result<(), Error> {
        let ids = ids.to_vec();
        self.write(move |tx| sql::results::forget(tx, &ids)).await
    }
}
