//! Pauses the whole dispatcher while the proxy or this machine reaches no receiver at all. Without the pause,
//! each waiting webhook would cost two ledger writes and one log line, always with the same result. A failure
//! that concerns a single receiver does not pause the dispatcher.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::runtime::permits::LOCAL_TROUBLE_PAUSE_MS;

/// The duration of a pause. After this time, every webhook that could not be sent is due again.
const PAUSE: Duration = Duration::from_millis(LOCAL_TROUBLE_PAUSE_MS.unsigned_abs());

/// The number of failures of this machine, without an answer of a receiver between them, after which the
/// dispatcher pauses. Fewer failures may concern a single receiver, for example one that a firewall of this
/// machine blocks.
const N_LOCAL_FAILURES: u32 = 8;

/// Holds the end of the current pause of the dispatcher.
pub(super) struct TroublePause {
    state: Mutex<PauseState>,
}

struct PauseState {
    until: Instant,
    /// The number of failures of this machine since the last answer of a receiver.
    n_failures: u32,
    /// Whether a receiver has answered since the last failure of the proxy.
    has_answered: bool,
}

impl TroublePause {
    /// Creates the state of a dispatcher that is not paused.
    pub(super) fn new() -> Self {
        let state = PauseState { until: Instant::now(), n_failures: 0, has_answered: false };
        Self { state: Mutex::new(state) }
    }

    /// Records that a receiver answered, which means that the proxy and this machine work.
    pub(super) fn note_answer(&self) {
        let mut state = self.state();
        state.has_answered = true;
        state.n_failures = 0;
    }

    /// Begins a pause after a failure of the proxy. Returns whether a new pause began.
    ///
    /// No pause begins in two cases. First, a pause is already in progress. Second, `affects_every_peer` is
    /// false and a receiver has answered since the previous failure of the proxy, so the proxy works for
    /// other receivers.
    pub(super) fn begin_after_proxy_failure(&self, affects_every_peer: bool) -> bool {
        let mut state = self.state();
        let had_answered = std::mem::take(&mut state.has_answered);
        (affects_every_peer || !had_answered) && state.begin()
    }

    /// Begins a pause after a failure of this machine, if at least [`N_LOCAL_FAILURES`] such failures have
    /// happened since the last answer of a receiver. Returns whether a new pause began.
    pub(super) fn begin_after_local_failure(&self) -> bool {
        let mut state = self.state();
        state.n_failures = state.n_failures.saturating_add(1);
        state.n_failures >= N_LOCAL_FAILURES && state.begin()
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

impl PauseState {
    /// Begins a pause, unless a pause is in progress. Returns whether a new pause began.
    fn begin(&mut self) -> bool {
        let now = Instant::now();
        let is_new = self.until <= now;
        if is_new {
            self.until = now + PAUSE;
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_proxy_failure_during_a_pause_of_the_dispatcher_does_not_begin_a_new_pause() {
        let (pause, begun) = (TroublePause::new(), Instant::now());
        pause.wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(
            [pause.begin_after_proxy_failure(true), pause.begin_after_proxy_failure(true)],
            [true, false]
        );
        pause.wait().await;
        assert!(begun.elapsed() >= PAUSE && begun.elapsed() < 2 * PAUSE);
        assert!(pause.begin_after_proxy_failure(true), "the next failure begins a new pause");
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_failure_for_one_receiver_does_not_pause_the_dispatcher_while_other_receivers_answer() {
        let pause = TroublePause::new();
        for _ in 0..3 {
            pause.note_answer();
            assert!(!pause.begin_after_proxy_failure(false));
        }
        assert!(
            pause.begin_after_proxy_failure(false),
            "no receiver has answered since the previous failure"
        );
        tokio::time::advance(PAUSE).await;
        pause.note_answer();
        assert!(pause.begin_after_proxy_failure(true), "an unreachable proxy concerns every receiver");
    }

    #[tokio::test(start_paused = true)]
    async fn several_failures_of_this_machine_pause_the_dispatcher_if_no_receiver_answers_in_between() {
        let pause = TroublePause::new();
        for _ in 0..3 {
            for _ in 1..N_LOCAL_FAILURES {
                assert!(!pause.begin_after_local_failure());
            }
            pause.note_answer();
        }
        for _ in 1..N_LOCAL_FAILURES {
            assert!(!pause.begin_after_local_failure());
        }
        assert!(pause.begin_after_local_failure());
        assert!(!pause.begin_after_local_failure(), "a pause is in progress");
        tokio::time::advance(PAUSE).await;
        assert!(pause.begin_after_local_failure(), "there is still no answer");
    }
}
