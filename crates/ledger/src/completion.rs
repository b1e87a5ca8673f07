//! Lets callers wait until the processing of a request has ended. When this process commits the end of a
//! request, the commit wakes all callers that wait for this request. A commit of another process wakes no
//! caller in this process, so each caller must also read the request again after a time-out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

/// The requests that callers wait for, each with its waiters.
#[derive(Debug, Default)]
pub(crate) struct CompletionRegistry {
    waiting: Mutex<HashMap<Uuid, Waiters>>,
}

/// The waiters of one request.
#[derive(Debug, Default)]
struct Waiters {
    n_waiting: usize,
    notify: Arc<Notify>,
}

/// A waiter for the end of one request. If the request ends after the waiter was created, the waiter is
/// always woken.
#[derive(Debug)]
pub struct CompletionWaiter {
    registry: Arc<CompletionRegistry>,
    id: Uuid,
    notify: Arc<Notify>,
}

impl CompletionRegistry {
    pub(crate) fn wait_for(self: &Arc<Self>, id: Uuid) -> CompletionWaiter {
        let mut waiting = self.waiting();
        let waiters = waiting.entry(id).or_default();
        waiters.n_waiting += 1;
        CompletionWaiter { registry: Arc::clone(self), id, notify: Arc::clone(&waiters.notify) }
    }

    /// Wakes all waiters of the request `id`.
    pub(crate) fn notify(&self, id: Uuid) {
        if let Some(waiters) = self.waiting().get(&id) {
            waiters.notify.notify_waiters();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Uuid, Waiters>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CompletionWaiter {
    /// Returns a future that completes when the request ends in this process. The caller calls this function
    /// first, then reads the request, and then awaits the future. The future also completes if the request
    /// ends between these three steps.
    pub fn completed(&self) -> impl Future<Output = ()> + '_ {
        // `enable` registers the future with the `Notify` at once. Without `enable`, the future would miss
        // every notification before its first poll.
        let mut completed = Box::pin(self.notify.notified());
        completed.as_mut().enable();
        completed
    }
}

impl Drop for CompletionWaiter {
    fn drop(&mut self) {
        let mut waiting = self.registry.waiting();
        if let Some(waiters) = waiting.get_mut(&self.id) {
            waiters.n_waiting -= 1;
            if waiters.n_waiting == 0 {
                waiting.remove(&self.id);
            }
        }
    }
}
