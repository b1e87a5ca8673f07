//! Waiting for the end of one request: whoever asks for a result before there is one is told by the commit that brings
//! it. Another process's commits are not seen; who waits looks again after a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    /// How many wait for a request, and where they are told.
    waiting: Mutex<HashMap<Uuid, (usize, Arc<Notify>)>>,
}

/// Somebody who waits for the end of a request. What ends after this was made is not missed.
#[derive(Debug)]
pub struct Finishing {
    finished: Arc<Finished>,
    id: Uuid,
    notify: Arc<Notify>,
}

impl Finished {
    pub(crate) fn wait_for(self: &Arc<Self>, id: Uuid) -> Finishing {
        let mut waiting = self.waiting();
        let (n_waiting, notify) = waiting.entry(id).or_default();
        *n_waiting += 1;
        Finishing { finished: Arc::clone(self), id, notify: Arc::clone(notify) }
    }

    /// Tells all who wait for it.
    pub(crate) fn tell(&self, id: Uuid) {
        if let Some((_, notify)) = self.waiting().get(&id) {
            notify.notify_waiters();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Uuid, (usize, Arc<Notify>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Finishing {
    /// Returns once the request ended, if it does so in this process. To be made before the state is looked at, and
    /// waited for afterwards.
    pub fn ended(&self) -> impl Future<Output = ()> + '_ {
        // Registered now, not when it is first polled.
        let mut ended = Box::pin(self.notify.notified());
        ended.as_mut().enable();
        ended
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        let mut waiting = self.finished.waiting();
        if let Some((n_waiting, _)) = waiting.get_mut(&self.id) {
            *n_waiting -= 1;
            if *n_waiting == 0 {
                waiting.remove(&self.id);
            }
        }
    }
}
