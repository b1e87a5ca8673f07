//! Where the time comes from. Due times are wall-clock times, so that they mean the same after a restart; nobody
//! in this crate or above it reads the clock of the system except through [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The wall clock, in milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The clock of the system.
    System,
    /// A clock that stands still until somebody advances it.
    Manual(Arc<ManualClock>),
}

/// The hands of a manual clock.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: AtomicI64,
    moved: watch::Sender<()>,
}

impl Clock {
    /// A manual clock that shows `start_ms`.
    pub fn manual(start_ms: i64) -> Self {
        Self::Manual(Arc::new(ManualClock {
            now_ms: AtomicI64::new(start_ms),
            moved: watch::Sender::new(()),
        }))
    }

    /// What the clock shows now.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => system_now_ms(),
            Self::Manual(clock) => clock.now_ms.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock, back too, and wakes those who wait for it.
    ///
    /// # Panics
    /// On the clock of the system, which nobody here can move.
    pub fn advance(&self, by_ms: i64) {
        match self {
            Self::System => panic!("only a manual clock can be advanced"),
            Self::Manual(clock) => {
                clock.now_ms.fetch_add(by_ms, Ordering::SeqCst);
                clock.moved.send_replace(());
            }
        }
    }

    /// Reports when the clock is moved by hand; a clock of the system never is.
    pub(crate) fn moves(&self) -> Option<watch::Receiver<()>> {
        match self {
            Self::System => None,
            Self::Manual(clock) => Some(clock.moved.subscribe()),
        }
    }

    /// How long to sleep before looking at the clock again when waiting for `at_ms`, at most `floor`. The time of
    /// a manual clock does not pass by sleeping, so there it is always `floor`.
    pub(crate) fn sleep_until(&self, at_ms: i64, floor: Duration) -> Duration {
        match self {
            Self::Manual(_) => floor,
            Self::System => {
                let left_ms = u64::try_from(at_ms.saturating_sub(self.now_ms())).unwrap_or(0);
                Duration::from_millis(left_ms).min(floor)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock of the system")]
fn system_now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
