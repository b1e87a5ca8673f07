//! The retry schedule: computes when the next attempt of a webhook is due. The functions are pure: the time
//! and the random number are parameters.

/// The shortest wait that gets jitter, in milliseconds. Shorter waits get no jitter, because the first
/// retries should come at the documented times.
const JITTER_FROM_MS: i64 = 5 * MINUTE_MS;
/// The largest amount by which jitter lengthens or shortens a wait, as a fraction of the wait.
const JITTER: f64 = 0.2;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The waits between the attempts of one webhook. Element 0 is the wait before the first attempt. Element `n`
/// is the wait between attempts `n` and `n + 1`, where attempts are counted from 1. After the last element no
/// further attempt follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<i64>);

impl Schedule {
    /// Creates a schedule from waits in milliseconds. The first element is the wait before the first attempt.
    /// A negative wait counts as 0.
    pub fn new(waits_ms: Vec<i64>) -> Self {
        Self(waits_ms.into_iter().map(|wait_ms| wait_ms.max(0)).collect())
    }

    /// Returns the largest number of attempts of one webhook.
    pub fn n_attempts(&self) -> usize {
        self.0.len()
    }

    /// Returns the due time of the next attempt, after attempt number `attempt` (counted from 1) has just
    /// failed. Returns `None` when `attempt` was the last attempt.
    ///
    /// `unit_random`, a number in `[0, 1)`, chooses the jitter: a wait of five minutes or longer changes by
    /// at most 20 %. `retry_after_ms` is the receiver's `Retry-After`. A `Retry-After` never shortens the
    /// wait. It can lengthen the wait to at most the following wait of the schedule. It cannot lengthen the
    /// last wait of the schedule, because no wait follows the last wait.
    pub fn due_after(
        &self,
        attempt: u32,
        now_ms: i64,
        unit_random: f64,
        retry_after_ms: Option<i64>,
    ) -> Option<i64> {
        let index = usize::try_from(attempt).ok()?;
        let wait_ms = *self.0.get(index)?;
        let retry_after_ms = retry_after_ms.unwrap_or(0).min(self.max_wait_after(attempt));
        Some(now_ms.saturating_add(jittered(wait_ms, unit_random).max(retry_after_ms)))
    }

    /// Returns the longest wait, in milliseconds, that a `Retry-After` can cause after attempt number
    /// `attempt`. Returns 0 when no attempt follows.
    pub fn max_wait_after(&self, attempt: u32) -> i64 {
        let waits_ms = usize::try_from(attempt).ok().and_then(|index| self.0.get(index..));
        waits_ms.unwrap_or_default().iter().take(2).copied().max().unwrap_or(0)
    }
}

impl Default for Schedule {
    /// Returns the schedule that Standard Webhooks recommends: ten attempts over a little more than three
    /// days.
    fn default() -> Self {
        Self(vec![
            0,
            5 * SECOND_MS,
            5 * MINUTE_MS,
            30 * MINUTE_MS,
            2 * HOUR_MS,
            5 * HOUR_MS,
            10 * HOUR_MS,
            14 * HOUR_MS,
            20 * HOUR_MS,
            24 * HOUR_MS,
        ])
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a wait is far below 2^52 ms"
)]
fn jittered(wait_ms: i64, unit_random: f64) -> i64 {
    if wait_ms < JITTER_FROM_MS {
        return wait_ms;
    }
    let share = 1.0 - JITTER + 2.0 * JITTER * unit_random.clamp(0.0, 1.0);
    (wait_ms as f64 * share) as i64
}
