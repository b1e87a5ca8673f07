//! Writes the result of an attempt to the ledger and to the log.

use std::time::Duration;

use pixaven_ledger::{
    Attempt, BreakerChange, BreakerEvent, Disposition, DueWebhook, Error, FailureReason, Lease, Ledger,
};
use pixaven_net::NetError;
use tokio_util::sync::CancellationToken;

use crate::runtime::telemetry::with_causes;

/// The pause after which a write is repeated if the ledger was busy.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// A change in the ledger that ends the lease of a webhook.
pub(super) enum LedgerUpdate {
    Attempt { attempt: Attempt, next: Disposition },
    Abandon { reason: FailureReason },
    Release { due_ms: i64 },
}

impl LedgerUpdate {
    /// Writes the change to the ledger. While the ledger is busy and the lease is valid, the write is
    /// repeated, because a webhook whose result is not recorded is sent again.
    pub(super) async fn write(
        &self,
        ledger: &Ledger,
        lease: &Lease<DueWebhook>,
        return_leases: &CancellationToken,
    ) {
        let (id, attempt) = (lease.value.id, lease.attempt);
        loop {
            let error = match self.try_write(ledger, lease).await {
                Ok(change) => {
                    if let Some(change) = change {
                        log_breaker(lease, change);
                    }
                    return;
                }
                Err(error) => error,
            };
            let can_repeat = error.is_passing()
                && ledger.clock().now_ms() < lease.until_ms
                && !return_leases.is_cancelled();
            if !can_repeat {
                // Because the result is not recorded, the webhook is sent again after its lease has expired,
                // with the same id and the same bytes.
                tracing::error!(%id, attempt, %error, "the end of a webhook's attempt could not be written");
                return;
            }
            tracing::warn!(%id, attempt, "the ledger is busy; the end of a webhook's attempt is written later");
            tokio::select! {
                () = tokio::time::sleep(BUSY_PAUSE) => {}
                () = return_leases.cancelled() => {}
            }
        }
    }

    async fn try_write(
        &self,
        ledger: &Ledger,
        lease: &Lease<DueWebhook>,
    ) -> Result<Option<BreakerChange>, Error> {
        match self {
            Self::Attempt { attempt, next } => ledger.record_attempt(lease, attempt.clone(), *next).await,
            Self::Abandon { reason } => ledger.abandon_webhook(lease, *reason).await.map(|()| None),
            Self::Release { due_ms } => ledger.release_webhook(lease, *due_ms).await.map(|()| None),
        }
    }
}

/// Logs that a circuit breaker opened or closed.
fn log_breaker(lease: &Lease<DueWebhook>, change: BreakerChange) {
    let DueWebhook { account, authority, .. } = &lease.value;
    let n_waiting = change.n_waiting;
    match change.event {
        BreakerEvent::Opened { pause_ms } => tracing::warn!(
            account,
            %authority,
            n_waiting,
            pause_ms,
            "a receiver fails; webhooks to it are paused"
        ),
        BreakerEvent::Closed { down_ms } => tracing::info!(
            account,
            %authority,
            n_waiting,
            down_ms,
            "a receiver answers again; webhooks to it are sent"
        ),
    }
}

/// Logs one attempt to send a webhook. The line in the log contains neither the URL, which may hold
/// credentials, nor the content of the webhook.
pub(super) fn log(
    lease: &Lease<DueWebhook>,
    attempt: &Attempt,
    next: &Disposition,
    error: Option<&NetError>,
) {
    let (next, due_ms) = match next {
        Disposition::Delivered => ("delivered", None),
        Disposition::Retry { due_ms } => ("retry", Some(*due_ms)),
        Disposition::Failed { reason } => (reason.as_str(), None),
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
