//! The set of webhooks that this server is sending now. A lease lasts longer than any attempt, but it expires
//! by the wall clock, and the wall clock may jump forward. A claim may then return a webhook that is still
//! being sent. This set prevents a second POST request for the webhook at the same time.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// The ids of the webhooks that are being sent.
#[derive(Default)]
pub(super) struct InFlight {
    ids: Mutex<HashSet<Uuid>>,
}

/// Keeps a webhook in the set until this value is dropped.
pub(super) struct InFlightGuard<'a> {
    set: &'a InFlight,
    id: Uuid,
}

impl InFlight {
    /// Adds a webhook to the set. Returns `None` if the webhook is already being sent.
    pub(super) fn begin(&self, id: Uuid) -> Option<InFlightGuard<'_>> {
        if !self.ids().insert(id) {
            return None;
        }
        Some(InFlightGuard { set: self, id })
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.set.ids().remove(&self.id);
    }
}
