//! The methods of [`Ledger`] that read and replace texts that may hold secrets. A caller uses them to seal these
//! texts, or to seal them with another key.

use super::Ledger;
use crate::error::Error;
use crate::model::sealed::{RequestSecrets, StoredSecret};
use crate::sql;

#[expect(clippy::missing_errors_doc, reason = "the errors are those of the methods for accounts")]
impl Ledger {
    /// Returns the signing secrets of all accounts as they are stored, oldest first.
    pub async fn stored_secrets(&self) -> Result<Vec<StoredSecret>, Error> {
        self.read(sql::sealed::signing_secrets).await
    }

    /// Replaces the stored text of a signing secret. The secret itself must stay the same.
    pub async fn replace_stored_secret(&self, secret: StoredSecret) -> Result<(), Error> {
        self.write(move |tx| sql::sealed::replace_signing_secret(tx, &secret)).await
    }

    /// Returns up to `limit` requests after the sequence number `after` as they are stored, in the order of their
    /// numbers.
    pub async fn request_secrets(&self, after: i64, limit: u32) -> Result<Vec<RequestSecrets>, Error> {
        self.read(move |tx| sql::sealed::requests(tx, after, limit)).await
    }

    /// Replaces the stored texts of requests. No process may work on these requests at the same time.
    pub async fn replace_request_secrets(&self, requests: Vec<RequestSecrets>) -> Result<(), Error> {
        self.write(move |tx| sql::sealed::replace_requests(tx, &requests)).await
    }
}
