//! The methods of [`Ledger`] for accepted requests, the jobs that process these requests, and idempotency
//! keys.
//!
//! Every method can fail with [`Error::Busy`], [`Error::Poisoned`], [`Error::Closed`], [`Error::Corrupt`] or
//! [`Error::Database`]. The documentation of each method names only the further errors of the method.

use uuid::Uuid;

use super::Ledger;
use crate::error::Error;
use crate::lease::{Lease, ReleaseReason};
use crate::model::request::{IdempotencyStatus, IdempotentRequest, Job, JobOutcome, NewRequest};
use crate::sql;
use crate::sql::jobs::FinishedJob;

#[expect(clippy::missing_errors_doc, reason = "the module lists the errors that all methods share")]
impl Ledger {
    /// Accepts a request: commits its row, its job and its webhook in one transaction. When this method
    /// returns `Ok`, the commit is on disk, and the server must process the request and send the webhook.
    ///
    /// Fails with [`Error::Exists`] when another request has the same id, and with [`Error::UnknownAccount`].
    pub async fn accept(&self, request: NewRequest) -> Result<(), Error> {
        self.call(sql::accept::accept, request).await
    }

    /// Takes leases that last `lease_ms` on up to `limit` due jobs, longest due first. A job whose earlier
    /// lease ran out is due again, and its number of crashes grows by one. The caller should claim only as
    /// many jobs as the caller can start to process now.
    pub async fn claim_jobs(&self, limit: u32, lease_ms: i64) -> Result<Vec<Lease<Job>>, Error> {
        self.ensure_membership().await?;
        let owner = self.owner();
        self.write(move |tx| sql::jobs::claim(tx, owner, limit, lease_ms)).await
    }

    /// Extends the lease on a job, so that the lease ends `lease_ms` from now. Fails with
    /// [`Error::LostLease`].
    pub async fn renew_job(&self, lease: &mut Lease<Job>, lease_ms: i64) -> Result<(), Error> {
        let (seq, fence) = (lease.seq, lease.fence);
        lease.until_ms = self.write(move |tx| sql::jobs::renew(tx, seq, fence, lease_ms)).await?;
        Ok(())
    }

    /// Ends a job: commits its result, its usage and the payload of its webhook in one transaction. The
    /// webhook is due after the delay that the request specified. When the lease was lost, the method stores
    /// nothing and fails with [`Error::LostLease`]. After an error that [is passing](Error::is_passing), the
    /// caller may repeat the call while the lease lasts.
    pub async fn finish_job(&self, lease: &Lease<Job>, outcome: JobOutcome) -> Result<(), Error> {
        let id = lease.value.id;
        self.call(sql::jobs::finish, FinishedJob::new(lease, outcome)).await?;
        self.completions.notify(id);
        Ok(())
    }

    /// Returns an unfinished job to the queue. Fails with [`Error::LostLease`]. After an error that
    /// [is passing](Error::is_passing), the caller may repeat the call while the lease lasts.
    pub async fn release_job(&self, lease: &Lease<Job>, reason: ReleaseReason) -> Result<(), Error> {
        let (seq, fence) = (lease.seq, lease.fence);
        self.write(move |tx| sql::jobs::release(tx, seq, fence, reason)).await
    }

    /// Returns the elements of `ids` whose requests are not processed yet. The inputs of these requests are
    /// still needed.
    pub async fn unfinished_jobs(&self, ids: &[Uuid]) -> Result<Vec<Uuid>, Error> {
        let ids = ids.to_vec();
        self.read(move |tx| sql::jobs::unfinished(tx, &ids)).await
    }

    /// Reserves an idempotency key for a request. The request keeps the key for 24 hours. If another request
    /// has the key, the returned [`IdempotencyStatus`] describes the other request.
    pub async fn begin_idempotent(&self, request: &IdempotentRequest) -> Result<IdempotencyStatus, Error> {
        self.ensure_membership().await?;
        let (owner, request) = (self.owner(), request.clone());
        self.write(move |tx| sql::idempotency::begin(tx, owner, &request)).await
    }

    /// Stores the answer to a request under the idempotency key of the request. An accepted request needs no
    /// stored answer.
    pub async fn store_idempotent_answer(
        &self,
        request: &IdempotentRequest,
        answer: String,
    ) -> Result<(), Error> {
        let request = request.clone();
        self.write(move |tx| sql::idempotency::store_answer(tx, &request, &answer)).await
    }

    /// Frees the idempotency key of a request that failed. The key of an accepted or answered request is not
    /// freed.
    pub async fn release_idempotency_key(&self, request: &IdempotentRequest) -> Result<(), Error> {
        let request = request.clone();
        self.write(move |tx| sql::idempotency::release(tx, &request)).await
    }
}
