//! Stores results in the buckets that customers name in the attribute `store` of a request. Every connection
//! goes through the crate `net`, so that the address policy also holds for the `endpoint` of a request.

mod refusal;
mod signed_put;

use std::time::Duration;

use bytes::Bytes;
use pixaven_net::{Net, NetError};
use tokio::time::{Instant, sleep};

use super::error::WorkError;
use super::request::StoreSpec;
use super::store_failure::StoreFailure;
use signed_put::SignedPut;

/// The number of bytes of a provider's answer that are read. An answer to a failed request has a few hundred.
const MAX_ANSWER_BYTES: usize = 16 << 10;
/// The pause before the first repetition of an attempt. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Stores objects in buckets of customers. A clone is cheap.
#[derive(Clone)]
pub struct CustomerBuckets {
    net: Net,
    deadline: Duration,
}

/// The result that is to be stored in a bucket.
pub struct NewObject<'a> {
    /// The file name of the result, which is the key of the object if the request has no `store.path`.
    pub name: &'a str,
    /// The media type of the result.
    pub media_type: &'a str,
    /// The file.
    pub bytes: Bytes,
}

impl CustomerBuckets {
    /// Creates a client that stores objects through `net`. All attempts to store one object together take at most
    /// `deadline`.
    pub fn new(net: Net, deadline: Duration) -> Self {
        Self { net, deadline }
    }

    /// Stores an object in the bucket of a request, and returns the URL of the object. A failure that may pass is
    /// repeated until the deadline.
    pub async fn put(&self, store: &StoreSpec, object: &NewObject<'_>) -> Result<String, WorkError> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let put = SignedPut::new(store, object).map_err(WorkError::internal)?;
            // One attempt may take half of the time, so that a second attempt is possible.
            let remaining = self.deadline.saturating_sub(started.elapsed()).min(self.deadline / 2);
            let failure = match self.attempt(&put, remaining).await {
                Ok(()) => return Ok(put.url.into()),
                Err(failure) => failure,
            };
            let is_late = started.elapsed() + pause >= self.deadline;
            if is_late || !failure.may_pass() {
                if let StoreFailure::Unreachable(error @ NetError::BlockedAddress { .. }) = &failure {
                    tracing::info!(host = put.url.host_str(), %error, "the address policy blocked a bucket");
                }
                return Err(WorkError::Store(failure));
            }
            tracing::debug!(host = put.url.host_str(), %failure, "a result is stored again in its bucket");
            sleep(pause).await;
            pause *= 2;
        }
    }

    async fn attempt(&self, put: &SignedPut, deadline: Duration) -> Result<(), StoreFailure> {
        let SignedPut { url, headers, body } = put;
        let exchange =
            self.net.send(http::Method::PUT, url, headers.clone(), body.clone(), deadline, MAX_ANSWER_BYTES);
        let response = exchange.await.result.map_err(StoreFailure::Unreachable)?;
        if response.status.is_success() { Ok(()) } else { Err(refusal::failure(&response)) }
    }
}
