//! When to try again. Pure: the time and the dice are parameters.

/// Steps shorter than this carry no jitter: the first retries are few and should come when they are announced.
const JITTER_FROM_MS: i64 = 5 * MINUTE_MS;
/// The jitter's reach to either side, as a share of the step.
const JITTER: f64 = 0.2;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The waits between the attempts of one webhook: element `n` is what lies between attempt `n` and attempt
/// `n + 1`, counted from 1; element 0 lies before the first. Ends after the last element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<i64>);

impl Schedule {
    /// A schedule of these waits in milliseconds, the one before the first attempt included. Negative waits count
    /// as none.
    pub fn new(waits_ms: Vec<i64>) -> Self {
        Self(waits_ms.into_iter().map(|wait_ms| wait_ms.max(0)).collect())
    }

    /// How many attempts a webhook gets at most.
    pub fn n_attempts(&self) -> usize {
        self.0.len()
    }

    /// When the attempt after `attempt` (the one that just failed, from 1) is due, or `None` when that was the
    /// last.
    ///
    /// `unit_random` in `[0, 1)` places the due time within ±20 % of the step, from the five-minute step on.
    /// `retry_after_ms` is how long the receiver asked to wait: it can lengthen the wait, up to the step that
    /// follows (the last step has none and is not lengthened), and never shortens it.
    pub fn due_after(
        &self,
        attempt: u32,
        now_ms: i64,
        unit_random: f64,
        retry_after_ms: Option<i64>,
    ) -> Option<i64> {
        let step = usize::try_from(attempt).ok()?;
        let wait_ms = *self.0.get(step)?;
        let asked_ms = retry_after_ms.unwrap_or(0).min(self.longest_wait_after(attempt));
        Some(now_ms.saturating_add(jittered(wait_ms, unit_random).max(asked_ms)))
    }

    /// How long the wait after `attempt` can get because the receiver asks for it, in milliseconds; 0 when no attempt
    /// follows.
    pub fn longest_wait_after(&self, attempt: u32) -> i64 {
        let waits_ms = usize::try_from(attempt).ok().and_then(|step| self.0.get(step..));
        waits_ms.unwrap_or_default().iter().take(2).copied().max().unwrap_or(0)
    }
}

impl Default for Schedule {
    /// The schedule of Standard Webhooks: ten attempts over a little more than three days.
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
