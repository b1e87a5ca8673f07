//! What is known about host names: running lookups, which several callers share, and the answers of earlier
//! lookups, each for its time to live.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;

use crate::lookup_failure::LookupError;

/// The largest number of remembered names. If a further name arrives, the answer that expires first is
/// forgotten.
const MAX_NAMES: usize = 4096;

/// The addresses of a host name, or the reason for their absence.
pub(super) type LookupResult = Result<Arc<[IpAddr]>, LookupError>;

/// A running lookup. Each holder polls the lookup, and the lookup is cancelled when the last holder drops it.
pub(super) type SharedLookup = Shared<BoxFuture<'static, LookupResult>>;

/// The answers of one configuration of the name servers.
#[derive(Default)]
pub(super) struct Answers {
    names: Mutex<HashMap<String, Entry>>,
}

enum Entry {
    Running(WeakShared<BoxFuture<'static, LookupResult>>),
    Known { result: LookupResult, expires_at: Instant },
}

/// What is known about one name.
pub(super) enum Known {
    /// The lookup of the name is still running. Another caller may have started the lookup.
    Running(SharedLookup),
    /// The result of an earlier lookup.
    Ended(LookupResult),
}

impl Answers {
    /// Returns what is known about a name.
    pub(super) fn find(&self, name: &str) -> Option<Known> {
        self.names().get(name)?.known(Instant::now())
    }

    /// Returns what is known about a name. If nothing is known, the function starts a lookup.
    pub(super) fn find_or_start(
        &self,
        name: &str,
        lookup: impl Future<Output = LookupResult> + Send + 'static,
    ) -> Known {
        let now = Instant::now();
        let mut names = self.names();
        if let Some(known) = names.get(name).and_then(|entry| entry.known(now)) {
            return known;
        }
        let lookup = lookup.boxed().shared();
        if let Some(weak) = lookup.downgrade() {
            make_room(&mut names, now);
            names.insert(name.to_owned(), Entry::Running(weak));
        }
        Known::Running(lookup)
    }

    /// Remembers the result of a lookup. A result with the time to live 0 is forgotten at once.
    pub(super) fn keep(&self, name: &str, result: &LookupResult, time_to_live: Duration) {
        let now = Instant::now();
        let mut names = self.names();
        if time_to_live.is_zero() {
            names.remove(name);
            return;
        }
        make_room(&mut names, now);
        let entry = Entry::Known { result: result.clone(), expires_at: now + time_to_live };
        names.insert(name.to_owned(), entry);
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn known(&self, now: Instant) -> Option<Known> {
        match self {
            Self::Running(weak) => weak.upgrade().map(Known::Running),
            Self::Known { result, expires_at } if now < *expires_at => Some(Known::Ended(result.clone())),
            Self::Known { .. } => None,
        }
    }

    /// The time at which the entry expires. The entry of a running lookup never expires.
    fn expires_at(&self) -> Option<Instant> {
        match self {
            Self::Running(_) => None,
            Self::Known { expires_at, .. } => Some(*expires_at),
        }
    }
}

/// If the map is full, removes at least one entry, so that one more name can be inserted.
fn make_room(names: &mut HashMap<String, Entry>, now: Instant) {
    if names.len() < MAX_NAMES {
        return;
    }
    names.retain(|_, entry| entry.known(now).is_some());
    if names.len() < MAX_NAMES {
        return;
    }
    let expiries = names.iter().filter_map(|(name, entry)| Some((entry.expires_at()?, name)));
    if let Some(first) = expiries.min().map(|(_, name)| name.clone()) {
        names.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(last_octet: u8) -> LookupResult {
        Ok(Arc::from([IpAddr::from([192, 0, 1, last_octet])]))
    }

    fn ended(answers: &Answers, name: &str) -> Option<LookupResult> {
        match answers.find(name)? {
            Known::Ended(result) => Some(result),
            Known::Running(_) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dns_answer_stays_in_the_cache_until_its_time_to_live_is_over() {
        let answers = Answers::default();
        answers.keep("a.test", &found(1), Duration::from_secs(2));
        answers.keep("zero.test", &found(2), Duration::ZERO);
        tokio::time::advance(Duration::from_millis(1_999)).await;
        assert_eq!(ended(&answers, "a.test"), Some(found(1)));
        assert_eq!(ended(&answers, "zero.test"), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(ended(&answers, "a.test"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_dns_lookup_is_shared_by_its_callers_and_is_forgotten_when_no_caller_waits() {
        let answers = Answers::default();
        let Known::Running(first) = answers.find_or_start("a.test", std::future::pending()) else {
            panic!("nothing was known about the name");
        };
        let Some(Known::Running(second)) = answers.find("a.test") else { panic!("the lookup is running") };
        assert!(first.ptr_eq(&second));
        drop((first, second));
        assert!(answers.find("a.test").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_cache_of_dns_answers_drops_the_answer_that_expires_first_for_a_new_answer() {
        let answers = Answers::default();
        for i in 0..=MAX_NAMES {
            answers.keep(&format!("{i}.test"), &found(1), Duration::from_secs(60 + i as u64));
        }
        assert_eq!(answers.names().len(), MAX_NAMES);
        assert!(ended(&answers, "0.test").is_none() && ended(&answers, "1.test").is_some());
    }
}
