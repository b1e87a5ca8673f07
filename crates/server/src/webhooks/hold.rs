//! A pause of the whole driver. What is wrong with the proxy is wrong for every webhook: to try each of a backlog would cost
//! the ledger two writes apiece and the log a line, and say the same every time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How long a pause is.
const PAUSE: Duration = Duration::from_secs(5);

/// When the driver may go on.
pub(super) struct Hold {
    until: Mutex<Instant>,
}

impl Hold {
    /// No pause.
    pub(super) fn new() -> Self {
        Self { until: Mutex::new(Instant::now()) }
    }

    /// Begins a pause; `false` while there is one already.
    pub(super) fn begin(&self) -> bool {
        let now = Instant::now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *until <= now;
        if is_new {
            *until = now + PAUSE;
        }
        is_new
    }

    /// Waits until there is no pause.
    pub(super) async fn wait(&self) {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        sleep_until(until).await;
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
        assert_eq!([hold.begin(), hold.begin()], [true, false]);
        hold.wait().await;
        assert!(begun.elapsed() >= PAUSE && begun.elapsed() < 2 * PAUSE);
        assert!(hold.begin(), "what is still wrong is said again");
    }
}
