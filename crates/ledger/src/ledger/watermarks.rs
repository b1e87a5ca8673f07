//! The methods of [`Ledger`] for the watermarks of accounts.
//!
//! Every method can fail with [`Error::Busy`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Corrupt`] or
//! [`Error::Database`]. The documentation of each method names only the further errors of the method.

use super::Ledger;
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::watermark::{AddWatermarkOutcome, Watermark, WatermarkPage, WatermarkQuota};
use crate::sql;

#[expect(clippy::missing_errors_doc, reason = "the module lists the errors that all methods share")]
impl Ledger {
    /// Adds a watermark if the quota of its account allows another watermark. Fails with [`Error::Exists`]
    /// and [`Error::UnknownAccount`].
    pub async fn add_watermark(
        &self,
        new: Watermark,
        quota: WatermarkQuota,
    ) -> Result<AddWatermarkOutcome, Error> {
        self.write(move |tx| sql::watermarks::add(tx, &new, quota)).await
    }

    /// Returns a watermark of an account, or `None` when the account has no such watermark or the watermark
    /// was removed.
    pub async fn watermark(&self, account: AccountId, id: &str) -> Result<Option<Watermark>, Error> {
        let id = id.to_owned();
        self.read(move |tx| sql::watermarks::find(tx, account, &id)).await
    }

    /// Returns a watermark of an account, even if the watermark was removed. A request that was accepted
    /// before the removal may still use the watermark.
    pub async fn watermark_including_removed(
        &self,
        account: AccountId,
        id: &str,
    ) -> Result<Option<Watermark>, Error> {
        let id = id.to_owned();
        self.read(move |tx| sql::watermarks::find_including_removed(tx, account, &id)).await
    }

    /// Returns the watermarks of an account that are not removed, newest first.
    pub async fn watermarks(
        &self,
        account: AccountId,
        offset: u64,
        limit: u32,
    ) -> Result<WatermarkPage, Error> {
        self.read(move |tx| sql::watermarks::list(tx, account, offset, limit)).await
    }

    /// Removes a watermark, so that new requests cannot use it. Returns `false` when the account has no such
    /// watermark. The caller must keep the file until [`Ledger::deletable_watermarks`] returns the watermark.
    pub async fn remove_watermark(&self, account: AccountId, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        self.write(move |tx| sql::watermarks::remove(tx, account, &id)).await
    }

    /// Returns up to `limit` removed watermarks that no request needs any more: each was removed before
    /// `before_ms` and before the oldest unprocessed request was accepted. The caller deletes the files of
    /// these watermarks, then calls [`Ledger::delete_watermarks`].
    pub async fn deletable_watermarks(&self, before_ms: i64, limit: u32) -> Result<Vec<String>, Error> {
        self.read(move |tx| sql::watermarks::deletable(tx, before_ms, limit)).await
    }

    /// Deletes the rows of removed watermarks whose files the caller has deleted. Unknown ids are ignored.
    pub async fn delete_watermarks(&self, ids: &[String]) -> Result<(), Error> {
        let ids = ids.to_vec();
        self.write(move |tx| sql::watermarks::delete(tx, &ids)).await
    }

    /// Returns the elements of `ids` that have a row, including removed watermarks. The caller must keep the
    /// files of these watermarks.
    pub async fn existing_watermarks(&self, ids: &[String]) -> Result<Vec<String>, Error> {
        let ids = ids.to_vec();
        self.read(move |tx| sql::watermarks::existing(tx, &ids)).await
    }
}
