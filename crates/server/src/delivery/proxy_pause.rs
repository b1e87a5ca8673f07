//! Pauses the whole dispatcher while the proxy reaches no receiver at all. Without the pause, each waiting
//! webhook would cost two ledger writes and one log line, always with the same result. A refusal by the proxy
//! that concerns a single receiver does not pause the dispatcher.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::runtime::permits::LOCAL_TROUBLE_PAUSE_MS;

/// The duration of a pause. It equals the time after which a webhook that the proxy did not deliver is due
/// again.
const PAUSE: Duration = Duration::from_millis(LOCAL_TROUBLE_PAUSE_MS.unsigned_abs());

/// Holds the end of the current pause of the dispatcher.
pub(super) struct ProxyPause {
    state: Mutex<PauseState>,
}

struct PauseState {
    until: Instant,
    /// Whether a receiver has answered since the last failure of the proxy.
    has_answered: bool,
}

impl ProxyPause {
    /// Creates the state of a dispatcher that is not paused.
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(PauseState { until: Instant::now(), has_answered: false }) }
    }

    /// Records that a receiver answered, which means that the proxy works.
    pub(super) fn note_answer(&self) {
        self.state().has_answered = true;
    }

    /// Begins a pause after a failure of the proxy. Returns whether a new pause began.
    ///
    /// No pause begins in two cases. First, a pause is already in progress. Second, `affects_every_peer` is
    /// false and a receiver has answered since the previous failure of the proxy, so the proxy works for
    /// other receivers.
    pub(super) fn begin(&self, affects_every_peer: bool) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let had_answered = std::mem::take(&mut state.has_answered);
        let is_new = state.until <= now && (affects_every_peer || !had_answered);
        if is_new {
            state.until = now + PAUSE;
        }
        is_new
    }

    /// Waits until the current pause has ended. Returns immediately if the dispatcher is not paused.
    pub(super) async fn wait(&self) {
        let until = self.state().until;
        sleep_until(until).await;
    }

    fn state(&self) -> MutexGuard<'_, PauseState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_proxy_failure_during_a_pause_does_not_begin_a_new_pause() {
        let (pause, begun) = (ProxyPause::new(), Instant::now());
        pause.wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!([pause.begin(true), pause.begin(true)], [true, false]);
        pause.wait().await;
        assert!(begun.elapsed() >= PAUSE && begun.elapsed() < 2 * PAUSE);
        assert!(pause.begin(true), "the next failure begins a new pause");
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_failure_for_one_receiver_begins_no_pause_while_other_receivers_respond() {
        let pause = ProxyPause::new();
        for _ in 0..3 {
            pause.note_answer();
            assert!(!pause.begin(false));
        }
        assert!(pause.begin(false), "no receiver has answered since the previous failure");
        tokio::time::advance(PAUSE).await;
        pause.note_answer();
        assert!(pause.begin(true), "an unreachable proxy concerns every receiver");
    }
}
