//! What the ledger is told of an attempt, and the log.

use std::time::Duration;

use pixaven_ledger::{Attempt, DueWebhook, Error, Lease, Ledger, Next};
use tokio_util::sync::CancellationToken;

use crate::net::NetError;
use crate::telemetry::with_causes;

/// How long what could not be written waits before it is tried again.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What the ledger is told of an attempt.
pub(super) enum Note {
    Attempt { attempt: Attempt, next: Next },
    Abandon { reason: &'static str },
    Release { due_ms: i64 },
}

impl Note {
    /// Tells the ledger; again and again while it is busy and the lease lasts, because what is not written down is sent
    /// once more.
    pub(super) async fn write(
        &self,
        ledger: &Ledger,
        lease: &Lease<DueWebhook>,
        give_up: &CancellationToken,
    ) {
        let (id, attempt) = (lease.value.id, lease.attempt);
        loop {
            let error = match self.try_write(ledger, lease).await {
                Ok(()) => return,
                Err(error) => error,
            };
            let is_worth_another = matches!(error, Error::Busy)
                && ledger.clock().now_ms() < lease.until_ms
                && !give_up.is_cancelled();
            if !is_worth_another {
                // The lease runs out by itself and the attempt is made again: the same id, the same bytes.
                tracing::error!(%id, attempt, %error, "the end of a webhook's attempt could not be written");
                return;
            }
            tracing::warn!(%id, attempt, "the ledger is busy; the end of a webhook's attempt is written later");
            tokio::select! {
                () = tokio::time::sleep(BUSY_PAUSE) => {}
                () = give_up.cancelled() => {}
            }
        }
    }

    async fn try_write(&self, ledger: &Ledger, lease: &Lease<DueWebhook>) -> Result<(), Error> {
        match self {
            Self::Attempt { attempt, next } => {
                ledger.record_attempt(lease, attempt.clone(), next.clone()).await
            }
            Self::Abandon { reason } => ledger.abandon_webhook(lease, (*reason).to_owned()).await,
            Self::Release { due_ms } => ledger.release_webhook(lease, *due_ms).await,
        }
    }
}

/// The one line of an attempt. Neither the URL, which may carry credentials, nor any content is in it.
pub(super) fn log(lease: &Lease<DueWebhook>, attempt: &Attempt, next: &Next, error: Option<&NetError>) {
    let (next, due_ms) = match next {
        Next::Delivered => ("delivered", None),
        Next::Retry { due_ms } => ("retry", Some(*due_ms)),
        Next::Failed { reason } => (reason.as_str(), None),
    };
    tracing::info!(
        id = %lease.value.id,
        attempt = lease.attempt,
        outcome = attempt.outcome.as_str(),
        status = attempt.status,
        address = attempt.address,
        duration_ms = attempt.duration_ms,
        next,
        due_ms,
        error = error.map(|error| with_causes(error)),
        "webhook attempt"
    );
}
