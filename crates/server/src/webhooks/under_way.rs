//! Which webhooks this server is sending now. A lease is longer than any exchange, but it ends by the wall clock, and that
//! may jump: what the ledger then takes for abandoned is not sent a second time beside the first.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// The webhooks being sent.
#[derive(Default)]
pub(super) struct UnderWay {
    ids: Mutex<HashSet<Uuid>>,
}

/// Says that a webhook is being sent, until it is dropped.
pub(super) struct Sending<'a> {
    under_way: &'a UnderWay,
    id: Uuid,
}

impl UnderWay {
    /// `None` when it is being sent already.
    pub(super) fn begin(&self, id: Uuid) -> Option<Sending<'_>> {
        if !self.ids().insert(id) {
            return None;
        }
        Some(Sending { under_way: self, id })
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.under_way.ids().remove(&self.id);
    }
}
