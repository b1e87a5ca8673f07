//! Start and stop: the only place that spawns tasks, and the signals that end the process.

use std::future::Future;
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// After its patience is over, how long a stop waits for leases to be given back.
const GIVE_UP_WAIT: Duration = Duration::from_secs(5);

/// The tasks of one server and the two tokens that tell them to stop. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    give_up: CancellationToken,
}

impl Tasks {
    /// No tasks yet, nothing told to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` in the background; a stop waits for it.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let span = tracing::debug_span!("task", name);
        tokio::spawn(self.tracker.track_future(future.instrument(span)));
    }

    /// Cancelled when no new work may be begun.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled when running work must be given back, too.
    pub fn give_up_token(&self) -> &CancellationToken {
        &self.give_up
    }

    /// Tells every task to begin nothing new and waits until all have ended; after `patience`, tells them to give
    /// up what they have. Returns whether all ended.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(patience, self.tracker.wait()).await.is_ok() {
            return true;
        }
        self.give_up.cancel();
        tokio::time::timeout(GIVE_UP_WAIT, self.tracker.wait()).await.is_ok()
    }
}

/// Completes at the first SIGTERM or SIGINT.
pub async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Forbids core dumps and debuggers of other processes of the same user: the memory of the server holds keys and secrets.
pub fn forbid_dumps() -> std::io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Lets this process open as many files and sockets as the system allows it to: the usual soft limit is for programs
/// that still use `select`.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}
