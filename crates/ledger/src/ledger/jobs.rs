//! Accepted requests and the jobs that process them.
//!
//! Beside what each method names, every one of them can fail with [`Error::Busy`], [`Error::Poisoned`],
//! [`Error::Closed`], [`Error::Corrupt`] or [`Error::Database`].

use uuid::Uuid;

use super::Ledger;
use crate::error::Error;
use crate::lease::{Lease, Release};
use crate::model::request::{Job, JobDone, Named, NamedRequest, NewRequest};
use crate::sql;

#[expect(clippy::missing_errors_doc, reason = "the module says once what all of them share")]
impl Ledger {
    /// Accepts a request: its row, its job and its webhook in one commit, which is on disk when this returns.
    /// From then on the ledger owes the webhook. [`Error::Exists`], [`Error::UnknownAccount`].
    pub async fn accept(&self, request: NewRequest) -> Result<(), Error> {
        self.write(move |tx| sql::jobs::accept(tx, &request)).await
    }

    /// Takes up to `limit` jobs that are due, longest due first, for `lease_ms`. Jobs whose earlier lease ran out
    /// are due again, with one more crash. Ask for no more than can be worked on at once.
    pub async fn claim_jobs(&self, limit: u32, lease_ms: i64) -> Result<Vec<Lease<Job>>, Error> {
        self.write(move |tx| sql::jobs::claim(tx, limit, lease_ms)).await
    }

    /// Holds a job for another `lease_ms` from now. [`Error::LostLease`].
    pub async fn renew_job(&self, lease: &mut Lease<Job>, lease_ms: i64) -> Result<(), Error> {
        let (no, fence) = (lease.no, lease.fence);
        lease.until_ms = self.write(move |tx| sql::jobs::renew(tx, no, fence, lease_ms)).await?;
        Ok(())
    }

    /// Ends a job: its result, its usage and its webhook, due after the request's delay, in one transaction.
    /// [`Error::LostLease`], and then nothing of it is kept.
    pub async fn finish_job(&self, lease: Lease<Job>, done: JobDone) -> Result<(), Error> {
        let (id, fairness) = (lease.value.id, self.fairness);
        self.write(move |tx| sql::jobs::finish(tx, &lease, &done, &fairness)).await?;
        self.finished.tell(id);
        Ok(())
    }

    /// Gives a job back unfinished. [`Error::LostLease`].
    pub async fn release_job(&self, lease: Lease<Job>, why: Release) -> Result<(), Error> {
        self.write(move |tx| sql::jobs::release(tx, lease.no, lease.fence, why)).await
    }

    /// Which of these requests still wait for their processing, and so for their input.
    pub async fn unfinished_jobs(&self, ids: &[Uuid]) -> Result<Vec<Uuid>, Error> {
        let ids = ids.to_vec();
        self.read(move |tx| sql::jobs::unfinished(tx, &ids)).await
    }

    /// Takes a name for a request, for a day, unless another has it. [`Named`] says what to do.
    pub async fn begin_named(&self, named: &NamedRequest) -> Result<Named, Error> {
        let named = named.clone();
        self.write(move |tx| sql::idempotency::begin(tx, &named)).await
    }

    /// Keeps what a named request was answered. One that was accepted needs none.
    pub async fn answer_named(&self, named: &NamedRequest, answer: String) -> Result<(), Error> {
        let named = named.clone();
        self.write(move |tx| sql::idempotency::answer(tx, &named, &answer)).await
    }

    /// Gives the name of a request back that came to nothing; one that was accepted or answered keeps it.
    pub async fn let_go_of_name(&self, named: &NamedRequest) -> Result<(), Error> {
        let named = named.clone();
        self.write(move |tx| sql::idempotency::let_go(tx, &named)).await
    }
}
