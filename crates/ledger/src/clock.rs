//! The clock that decides when work is due. Due times are wall-clock times, so that they stay valid after a
//! restart. This crate and every crate that uses the ledger read the system clock only through [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The wall clock, in milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The operating system's clock.
    System,
    /// The clock of a database server: the operating system's clock plus the difference that the ledger last
    /// measured, in milliseconds.
    Server(Arc<AtomicI64>),
    /// A clock that changes only when a test calls [`Clock::advance`].
    Manual(Arc<ManualClock>),
}

/// The time of a manual clock, and the channel that reports each change of the time.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: AtomicI64,
    changes: watch::Sender<()>,
}

impl Clock {
    /// Creates a manual clock that starts at `start_ms`.
    pub fn manual(start_ms: i64) -> Self {
        Self::Manual(Arc::new(ManualClock {
            now_ms: AtomicI64::new(start_ms),
            changes: watch::Sender::new(()),
        }))
    }

    /// Returns the current time in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => system_now_ms(),
            Self::Server(ahead_ms) => system_now_ms().saturating_add(ahead_ms.load(Ordering::Relaxed)),
            Self::Manual(clock) => clock.now_ms.load(Ordering::SeqCst),
        }
    }

    /// Returns the clock of a ledger on a database server: the clock of this server, or the same manual clock.
    pub(crate) fn of_server(self) -> Self {
        match self {
            Self::System | Self::Server(_) => Self::Server(Arc::default()),
            Self::Manual(_) => self,
        }
    }

    /// Measures the difference to the clock of a database server, which shows `server_ms` now. Returns the time
    /// of an operation on this server: the time of the server, or the time of a manual clock.
    pub(crate) fn at_server_time(&self, server_ms: i64) -> i64 {
        match self {
            Self::System => server_ms,
            Self::Server(ahead_ms) => {
                ahead_ms.store(server_ms.saturating_sub(system_now_ms()), Ordering::Relaxed);
                server_ms
            }
            Self::Manual(_) => self.now_ms(),
        }
    }

    /// Returns by how much two readings of a clock that was not set may contradict each other, in milliseconds. The
    /// time of a server is measured over the network.
    pub(crate) fn jitter_ms(&self) -> i64 {
        match self {
            Self::Server(_) => 1_000,
            Self::System | Self::Manual(_) => 0,
        }
    }

    /// Returns how far the clock of this machine is ahead of the clock of the database server, in milliseconds.
    pub fn ahead_ms(&self) -> i64 {
        match self {
            Self::Server(server_ahead_ms) => -server_ahead_ms.load(Ordering::Relaxed),
            Self::System | Self::Manual(_) => 0,
        }
    }

    /// Moves a manual clock by `by_ms`, and wakes all tasks that wait for the clock. A negative `by_ms` sets
    /// the clock back.
    ///
    /// # Panics
    ///
    /// Panics when the clock is the system clock, because this program cannot set the system clock.
    pub fn advance(&self, by_ms: i64) {
        match self {
            Self::System | Self::Server(_) => panic!("only a manual clock can be advanced"),
            Self::Manual(clock) => {
                clock.now_ms.fetch_add(by_ms, Ordering::SeqCst);
                clock.changes.send_replace(());
            }
        }
    }

    /// Returns a receiver that reports each call of [`Clock::advance`], or `None` for the system clock.
    pub(crate) fn changes(&self) -> Option<watch::Receiver<()>> {
        match self {
            Self::System | Self::Server(_) => None,
            Self::Manual(clock) => Some(clock.changes.subscribe()),
        }
    }

    /// Returns how long a task that waits for the time `at_ms` should sleep before it reads the clock again:
    /// until `at_ms`, but at most `max_sleep`. For a manual clock, the result is always `max_sleep`, because
    /// the passing of real time does not change a manual clock.
    pub(crate) fn sleep_until(&self, at_ms: i64, max_sleep: Duration) -> Duration {
        match self {
            Self::Manual(_) => max_sleep,
            Self::System | Self::Server(_) => {
                let left_ms = u64::try_from(at_ms.saturating_sub(self.now_ms())).unwrap_or(0);
                Duration::from_millis(left_ms).min(max_sleep)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock of the system")]
fn system_now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
