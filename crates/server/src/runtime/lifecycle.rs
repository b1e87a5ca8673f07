//! The background tasks of a server, the stop of a server, and the signals that start a stop. This is the
//! only module that spawns tasks.

use std::future::Future;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior, setrlimit, umask};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// The time for which a stop of the server waits until the tasks have returned the leases of their unfinished
/// work. This time begins after the drain, which is the time in which tasks may finish their work.
const RETURN_LEASES_WAIT: Duration = Duration::from_secs(5);

/// The background tasks of one server, and the cancellation tokens that announce and perform the stop of these tasks. A clone is
/// cheap and refers to the same tasks.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    notice: CancellationToken,
    stop: CancellationToken,
    return_leases: CancellationToken,
}

impl Tasks {
    /// Creates an empty set of tasks, whose two cancellation tokens are not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` in the background. A stop of the server waits until the future ends.
    #[expect(clippy::disallowed_methods, reason = "only this function spawns tasks")]
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let span = tracing::debug_span!("task", name);
        tokio::spawn(self.tracker.track_future(future.instrument(span)));
    }

    /// Announces that the server will stop. The server still serves requests, but reports that it is not ready.
    pub fn announce_stop(&self) {
        self.notice.cancel();
    }

    /// Returns whether a stop was announced or has begun.
    pub fn is_stopping(&self) -> bool {
        self.notice.is_cancelled() || self.stop.is_cancelled()
    }

    /// Returns the token that is cancelled when a stop of the server begins. From then on, tasks must not
    /// begin new work.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Returns the token that is cancelled when the drain ends, which is the time in which tasks may finish
    /// their work. From then on, tasks must end running work and return its leases.
    pub fn return_leases_token(&self) -> &CancellationToken {
        &self.return_leases
    }

    /// Stops all tasks: cancels the stop token and waits up to `drain` for the tasks to end. If some tasks
    /// still run after this time, cancels the token for returning leases and waits up to five more seconds.
    /// Returns whether all tasks have ended.
    pub async fn stop(&self, drain: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(drain, self.tracker.wait()).await.is_ok() {
            return true;
        }
        self.return_leases.cancel();
        tokio::time::timeout(RETURN_LEASES_WAIT, self.tracker.wait()).await.is_ok()
    }
}

/// The signals that ask the process to stop: SIGTERM and SIGINT.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// A signal that asks the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM, which service managers send.
    Terminate,
    /// SIGINT, which Ctrl-C sends.
    Interrupt,
}

impl StopSignals {
    /// Replaces the default action of SIGTERM and SIGINT, which ends the process at once. A signal that
    /// arrives after this call and before [`Self::received`] is not lost.
    pub fn register() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    /// Completes when the process receives SIGTERM or SIGINT.
    pub async fn received(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.interrupt.recv() => StopSignal::Interrupt,
        }
    }
}

/// Forbids core dumps of this process, and forbids that other processes of the same user attach a debugger,
/// because the memory of the server holds keys and secrets.
pub fn forbid_dumps() -> std::io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Makes every file that this process creates accessible only to the user of the process, because the files hold
/// customers' images and secrets.
pub fn keep_new_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Raises the soft limit on open files and sockets of this process to its hard limit. The usual soft limit is
/// low only because programs that use `select` cannot handle high descriptor numbers.
pub fn raise_open_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}
