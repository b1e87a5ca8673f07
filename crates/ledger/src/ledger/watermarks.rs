//! The watermarks of accounts.
//!
//! Beside what each method names, every one of them can fail with [`Error::Busy`], [`Error::Poisoned`],
//! [`Error::Closed`], [`Error::Corrupt`] or [`Error::Database`].

use super::Ledger;
use crate::error::Error;
use crate::model::account::AccountId;
use crate::model::watermark::{Watermark, WatermarkAdded, WatermarkPage, WatermarkQuota};
use crate::sql;

#[expect(clippy::missing_errors_doc, reason = "the module says once what all of them share")]
impl Ledger {
    /// Adds a watermark unless its account would have more than its quota. [`Error::Exists`],
    /// [`Error::UnknownAccount`].
    pub async fn add_watermark(
        &self,
        new: Watermark,
        quota: WatermarkQuota,
    ) -> Result<WatermarkAdded, Error> {
        self.write(move |tx| sql::watermarks::add(tx, &new, quota)).await
    }

    /// A watermark of an account, unless it was removed.
    pub async fn watermark(&self, account: AccountId, id: &str) -> Result<Option<Watermark>, Error> {
        let id = id.to_owned();
        self.read(move |tx| sql::watermarks::find(tx, account, &id)).await
    }

    /// A watermark for a request that was accepted while it was there, even if it was removed since.
    pub async fn accepted_watermark(&self, account: AccountId, id: &str) -> Result<Option<Watermark>, Error> {
        let id = id.to_owned();
        self.read(move |tx| sql::watermarks::find_accepted(tx, account, &id)).await
    }

    /// The watermarks of an account, newest first.
    pub async fn watermarks(
        &self,
        account: AccountId,
        offset: u64,
        limit: u32,
    ) -> Result<WatermarkPage, Error> {
        self.read(move |tx| sql::watermarks::list(tx, account, offset, limit)).await
    }

    /// Removes a watermark: no new request finds it. `false` when there is none. Its file must stay until
    /// [`Ledger::unused_watermarks`] names it.
    pub async fn remove_watermark(&self, account: AccountId, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        self.write(move |tx| sql::watermarks::remove(tx, account, &id)).await
    }

    /// Watermarks that were removed before `before_ms` and before any request that still waits for its processing was
    /// accepted: delete the file, then [`Ledger::forget_watermarks`].
    pub async fn unused_watermarks(&self, before_ms: i64, limit: u32) -> Result<Vec<String>, Error> {
        self.read(move |tx| sql::watermarks::unused(tx, before_ms, limit)).await
    }

    /// Drops the rows of removed watermarks whose files are gone. Unknown ids are no error.
    pub async fn forget_watermarks(&self, ids: &[String]) -> Result<(), Error> {
        let ids = ids.to_vec();
        self.write(move |tx| sql::watermarks::forget(tx, &ids)).await
    }

    /// Which of these watermarks there are, removed ones included, whose files must stay.
    pub async fn known_watermarks(&self, ids: &[String]) -> Result<Vec<String>, Error> {
        let ids = ids.to_vec();
        self.read(move |tx| sql::watermarks::known(tx, &ids)).await
    }
}
