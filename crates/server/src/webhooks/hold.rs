//! A pause of the whole driver. What is wrong with the proxy is wrong for every webhook: to try each of a backlog would cost
//! the ledger two writes apiece and the log a line, and say the same every time. What the proxy says of one receiver while it
//! serves others is no reason for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::driver::LOCAL_TROUBLE_PAUSE_MS;

/// How long a pause is: until what was put back is due again.
const PAUSE: Duration = Duration::from_millis(LOCAL_TROUBLE_PAUSE_MS.unsigned_abs());

/// When the driver may go on.
pub(super) struct Hold {
    state: Mutex<State>,
}

struct State {
    until: Instant,
    /// Whether a receiver answered since the proxy last refused something.
    is_of_use: bool,
}

impl Hold {
    /// No pause.
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { until: Instant::now(), is_of_use: false }) }
    }

    /// Takes note of a receiver that answered.
    pub(super) fn answered(&self) {
        self.state().is_of_use = true;
    }

    /// Begins a pause. `false` while there is one already, and when trouble that may be about one receiver comes between
    /// answers of others.
    pub(super) fn begin(&self, concerns_all: bool) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let was_of_use = std::mem::take(&mut state.is_of_use);
        let is_new = state.until <= now && (concerns_all || !was_of_use);
        if is_new {
            state.until = now + PAUSE;
        }
        is_new
    }

    /// Waits until there is no pause.
    pub(super) async fn wait(&self) {
        let until = self.state().until;
        sleep_until(until).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_begun_once_and_ends() {
        let (hold, begun) = (Hold::new(), Instant::now());
        hold.wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!([hold.begin(true), hold.begin(true)], [true, false]);
        hold.wait().await;
        assert!(begun.elapsed() >= PAUSE && begun.elapsed() < 2 * PAUSE);
        assert!(hold.begin(true), "what is still wrong is said again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_serves_others_is_no_reason_for_a_pause() {
        let hold = Hold::new();
        for _ in 0..3 {
            hold.answered();
            assert!(!hold.begin(false));
        }
        assert!(hold.begin(false), "nobody answered in between");
        tokio::time::advance(PAUSE).await;
        hold.answered();
        assert!(hold.begin(true), "a proxy that is not there");
    }
}
