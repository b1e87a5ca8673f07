//! The methods of [`Ledger`] for API keys, accounts, the usage of accounts, and the results of requests.
//!
//! Every method can fail with [`Error::Busy`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Corrupt`] or
//! [`Error::Database`]. The documentation of each method names only the further errors of the method.

use uuid::Uuid;

use super::Ledger;
use crate::error::Error;
use crate::model::account::{Account, AccountId, KeyInfo, NewKey, Secret, SecretInfo, Usage, UsageDelta};
use crate::model::request::{ExpiredResult, StoredResult};
use crate::sql;
use crate::sql::results::AnsweredRequest;

#[expect(clippy::missing_errors_doc, reason = "the module lists the errors that all methods share")]
impl Ledger {
    /// Adds an API key to the account `default`. The first key creates this account with the signing secret
    /// in `new`. Fails with [`Error::Exists`] when the key already exists.
    pub async fn create_key(&self, new: NewKey) -> Result<KeyInfo, Error> {
        self.write(move |tx| sql::accounts::create_key(tx, &new)).await
    }

    /// Returns all API keys, including revoked keys, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, Error> {
        self.read(sql::accounts::keys).await
    }

    /// Revokes an API key. Returns `false` when the key does not exist or was revoked before.
    pub async fn revoke_key(&self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        self.write(move |tx| sql::accounts::revoke_key(tx, &id)).await
    }

    /// Returns the account of an API key, or `None` when the key is unknown or revoked. Every call reads the
    /// database, so a key that another process adds or revokes takes effect at once.
    pub async fn account_by_key(&self, sha256: [u8; 32]) -> Result<Option<Account>, Error> {
        self.read(move |tx| sql::accounts::account_by_key(tx, &sha256)).await
    }

    /// Returns the account with this id.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, Error> {
        self.read(move |tx| sql::accounts::account(tx, id)).await
    }

    /// Returns the active signing secrets of an account, newest first.
    pub async fn secrets(&self, account: AccountId) -> Result<Vec<SecretInfo>, Error> {
        self.read(move |tx| sql::accounts::active_secrets(tx, account)).await
    }

    /// Adds a signing secret to an account. Each earlier secret retires after `overlap_ms`, or at the time
    /// that an earlier rotation has set, whichever comes first. Returns the active secrets, newest first.
    /// Fails with [`Error::UnknownAccount`].
    pub async fn rotate_secret(
        &self,
        account: AccountId,
        secret: Secret,
        overlap_ms: i64,
    ) -> Result<Vec<SecretInfo>, Error> {
        self.write(move |tx| sql::accounts::rotate_secret(tx, account, secret.expose(), overlap_ms)).await
    }

    /// Returns the usage of an account. This call is fast even with a long history, because the ledger
    /// maintains counters. Fails with [`Error::UnknownAccount`].
    pub async fn usage(&self, account: AccountId) -> Result<Usage, Error> {
        self.read(move |tx| sql::accounts::usage(tx, account)).await
    }

    /// Stores the usage of a request that was answered without a job, and the result of this request if the
    /// request has a result. Fails with [`Error::UnknownAccount`] and [`Error::Exists`].
    pub async fn record_result(
        &self,
        account: AccountId,
        usage: UsageDelta,
        result: Option<StoredResult>,
    ) -> Result<(), Error> {
        self.call(sql::results::record, AnsweredRequest { account, usage, result }).await
    }

    /// Returns the result with this request id and file name, or `None` when no such result exists or the
    /// result has expired.
    pub async fn result(&self, id: Uuid, name: &str) -> Result<Option<StoredResult>, Error> {
        let name = name.to_owned();
        self.read(move |tx| sql::results::find(tx, id, &name)).await
    }

    /// Returns up to `limit` expired results, longest expired first. The caller deletes the files of these
    /// results, then calls [`Ledger::delete_results`].
    pub async fn expired_results(&self, limit: u32) -> Result<Vec<ExpiredResult>, Error> {
        self.read(move |tx| sql::results::expired(tx, limit)).await
    }

    /// Deletes the rows of results whose files the caller has deleted. Unknown ids are ignored.
    pub async fn delete_results(&self, ids: &[Uuid]) -> Result<(), Error> {
        let ids = ids.to_vec();
        self.write(move |tx| sql::results::delete(tx, &ids)).await
    }
}
