//! Limits how many test notifications are sent at the same time, in total and for each account.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pixaven_ledger::AccountId;

/// The most test notifications that may be sent at the same time.
const MAX_TESTS: usize = 8;
/// The most test notifications of one account that may be sent at the same time, so that no account can keep
/// all others from testing.
const MAX_TESTS_PER_ACCOUNT: usize = 4;

/// Counts, for each account, the test notifications that the server is sending now. A user requests a test
/// notification with `POST /1.0/webhooks/test`.
#[derive(Default)]
pub(super) struct RunningTests {
    counts: Mutex<HashMap<AccountId, usize>>,
}

/// Counts one test notification until this value is dropped.
pub(super) struct RunningTest<'a> {
    all: &'a RunningTests,
    account: AccountId,
}

impl RunningTests {
    /// Counts one more test notification of `account`. Returns `None` if a limit is reached.
    pub(super) fn begin(&self, account: AccountId) -> Option<RunningTest<'_>> {
        let mut counts = self.counts();
        let n_total: usize = counts.values().sum();
        let n_own = counts.get(&account).copied().unwrap_or(0);
        if n_total >= MAX_TESTS || n_own >= MAX_TESTS_PER_ACCOUNT {
            return None;
        }
        counts.insert(account, n_own + 1);
        Some(RunningTest { all: self, account })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningTest<'_> {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(n_own) = counts.get_mut(&self.account) {
            *n_own -= 1;
        }
        counts.retain(|_, n_own| *n_own > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_can_run_only_a_part_of_the_concurrent_test_notifications_that_the_server_allows() {
        let tests = RunningTests::default();
        let [first, second, third] = [1, 2, 3];
        let of_first: Vec<_> = (0..MAX_TESTS_PER_ACCOUNT).map(|_| tests.begin(first)).collect();
        assert!(of_first.iter().all(Option::is_some) && tests.begin(first).is_none());
        let of_second: Vec<_> = (0..MAX_TESTS_PER_ACCOUNT).map(|_| tests.begin(second)).collect();
        assert!(of_second.iter().all(Option::is_some) && tests.begin(third).is_none());
        drop(of_first);
        assert!(tests.begin(third).is_some());
    }
}
