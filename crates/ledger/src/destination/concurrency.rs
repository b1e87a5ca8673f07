//! The adaptive concurrency limit of a destination. The limit grows while the latency of the receiver does
//! not rise, and shrinks when the latency rises, or when the receiver times out or is overloaded.
//!
//! The answers of the receiver are grouped into rounds. The number of answers in a round is the concurrency
//! limit, but at least [`MIN_ROUND_LEN`]. The mean latency of a round is compared with the *baseline*, the
//! latency without a queue at the receiver. From the mean latency and the baseline follows an estimate of the
//! number of webhooks that wait in a queue at the receiver. The formula is that of TCP Vegas (Brakmo and
//! Peterson, 1995), which Netflix's library `concurrency-limits` uses, too. Means of rounds are compared, not
//! single answers, because the latency of a real receiver varies from answer to answer.
//!
//! The baseline of a new destination is the mean of the first [`N_FIRST`] answers. While the destination is
//! busy, the baseline is measured again every [`MEASURE_EVERY_MS`], with one webhook at a time, as in the
//! adaptive concurrency filter of the proxy Envoy. Without this measurement, the baseline of a receiver that
//! always has a queue would rise slowly, and the limit would rise with the baseline.

use std::str::FromStr;

use super::DeliveryLimits;
use crate::model::webhook::ParseError;

/// The number of answers whose mean latency is the first baseline. The first answers of a burst have waited
/// least in a queue at the receiver.
const N_FIRST: u32 = 2;

/// The number of answers whose mean latency becomes the baseline in a repeated measurement, during which one
/// webhook is sent at a time.
const N_ALONE: u32 = 4;

/// The smallest number of answers whose mean latency is compared with the baseline (one round).
const MIN_ROUND_LEN: u32 = 16;

/// The limit grows while the estimated queue is shorter than this number of webhooks.
const SHORT_QUEUE: f64 = 3.0;

/// The limit shrinks while the estimated queue is longer than this number of webhooks.
const LONG_QUEUE: f64 = 6.0;

/// A latency up to this factor times the baseline, plus [`NOISE_MS`], is no sign of a queue.
const TOLERANCE: f64 = 2.0;

/// The largest difference between latencies, in milliseconds, that the schedulers of the server and of the
/// receiver alone can cause.
const NOISE_MS: f64 = 20.0;

/// The largest factor by which the limit grows after one round of answers.
const MAX_GROWTH: f64 = 2.0;

/// The largest fraction by which the limit shrinks after one round of answers with a high latency.
const MAX_CUT: f64 = 0.25;

/// The time after which the baseline is measured again, in milliseconds. The baseline of a destination that
/// was idle for this time is measured again, too.
const MEASURE_EVERY_MS: i64 = 10 * 60 * 1_000;

/// The concurrency limit of a destination, with the state of its measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Concurrency {
    /// The largest number of webhooks that may be leased at the same time, at least 1.
    pub(crate) limit: u32,
    /// The latency of the receiver without a queue, in milliseconds. `None` before the first measurement.
    pub(crate) baseline_ms: Option<u32>,
    /// The time at which the baseline was measured.
    pub(crate) measured_ms: i64,
    /// The state of a repeated measurement of the baseline. `None` if no such measurement is under way.
    pub(crate) measurement: Option<Measurement>,
    /// The number of answers so far in the current round of answers.
    pub(crate) n_answers: u32,
    /// The sum of the latencies of the answers in the current round, in milliseconds.
    pub(crate) latency_sum_ms: i64,
    /// The start of the current round of answers. Answers to webhooks that were sent before this time do not
    /// count, because they show the effect of an earlier limit.
    pub(crate) round_start_ms: i64,
    /// Whether the number of leased webhooks has reached the limit during the current round of answers. If
    /// not, the limit does not grow, because nothing shows that the receiver can handle more webhooks.
    pub(crate) is_limit_reached: bool,
    /// The time of the last reduction because of a timeout or an overload.
    pub(crate) reduced_ms: i64,
}

/// A repeated measurement of the baseline. During the measurement, only one webhook is leased at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// Webhooks that were leased before the measurement are still being sent.
    Drain,
    /// Every answer belongs to a webhook that was sent alone.
    Alone,
}

impl Concurrency {
    /// The state of a new destination.
    pub(crate) fn new(limits: &DeliveryLimits) -> Self {
        Self {
            limit: limits.start_limit(),
            baseline_ms: None,
            measured_ms: 0,
            measurement: None,
            n_answers: 0,
            latency_sum_ms: 0,
            round_start_ms: 0,
            is_limit_reached: false,
            reduced_ms: 0,
        }
    }

    /// The largest number of webhooks that may be leased now.
    pub(crate) fn current(&self, limits: &DeliveryLimits) -> u32 {
        if self.measurement.is_some() { 1 } else { self.limit.min(limits.max_limit()).max(1) }
    }

    /// Records that a claim raised the number of leased webhooks from `n_before` to `n_after`. `idle_ms` is
    /// the time since the previous claim.
    pub(crate) fn record_claim(
        &mut self,
        (n_before, n_after): (u32, u32),
        idle_ms: i64,
        now_ms: i64,
        limits: &DeliveryLimits,
    ) {
        if idle_ms >= MEASURE_EVERY_MS {
            self.limit = self.limit.min(limits.start_limit());
            self.forget_latency(now_ms);
        }
        if self.measurement == Some(Measurement::Drain) && n_before == 0 {
            self.forget_latency(now_ms);
            self.measurement = Some(Measurement::Alone);
        }
        self.is_limit_reached |= n_after >= self.limit;
    }

    /// Records that the receiver accepted a webhook that was sent at `started_ms`.
    pub(crate) fn record_accepted(
        &mut self,
        latency_ms: Option<u32>,
        started_ms: i64,
        now_ms: i64,
        limits: &DeliveryLimits,
    ) {
        let is_fast = latency_ms.is_none_or(|ms| f64::from(ms) <= self.tolerated_ms(limits));
        if self.limit < limits.start_limit() && is_fast {
            self.limit += 1;
        }
        let counts = self.measurement != Some(Measurement::Drain) && started_ms >= self.round_start_ms;
        let Some(latency_ms) = latency_ms.filter(|_| counts) else { return };
        self.n_answers = self.n_answers.saturating_add(1);
        self.latency_sum_ms = self.latency_sum_ms.saturating_add(i64::from(latency_ms));
        let mean_ms = u32::try_from(self.latency_sum_ms / i64::from(self.n_answers)).unwrap_or(u32::MAX);
        let n_measured = if self.measurement == Some(Measurement::Alone) { N_ALONE } else { N_FIRST };
        match self.baseline_ms {
            None if self.n_answers >= n_measured => {
                (self.baseline_ms, self.measured_ms, self.measurement) = (Some(mean_ms), now_ms, None);
                self.start_round(now_ms);
            }
            Some(baseline_ms) if self.n_answers >= self.limit.max(MIN_ROUND_LEN) => {
                self.baseline_ms = Some(baseline_ms.min(mean_ms));
                self.end_round(f64::from(mean_ms), now_ms, limits);
            }
            _ => {}
        }
    }

    /// Halves the limit after a timeout. Webhooks that were sent before the last reduction do not reduce the
    /// limit again, because one overload makes many webhooks fail.
    pub(crate) fn record_timeout(&mut self, started_ms: i64, now_ms: i64) {
        self.reduce(self.limit / 2, started_ms, now_ms);
        self.start_round(now_ms);
    }

    /// Lowers the limit by a quarter after an answer that shows an overload, such as 429 or 503. The limit
    /// grows again only after a whole round without such an answer.
    pub(crate) fn record_overload(&mut self, started_ms: i64, now_ms: i64) {
        self.record_failed_webhook(started_ms, now_ms);
        self.start_round(now_ms);
    }

    /// Lowers the limit by a quarter after an answer such as 500, which concerns only one webhook.
    pub(crate) fn record_failed_webhook(&mut self, started_ms: i64, now_ms: i64) {
        self.reduce(self.limit - self.limit.div_ceil(4), started_ms, now_ms);
    }

    /// Sets the limit to one after the circuit breaker has closed.
    pub(crate) fn start_slowly(&mut self, now_ms: i64) {
        self.limit = 1;
        self.forget_latency(now_ms);
    }

    /// Corrects times that are in the future only because the clock was set back.
    pub(crate) fn clamp_to_clock(&mut self, now_ms: i64) {
        self.measured_ms = self.measured_ms.min(now_ms);
        self.reduced_ms = self.reduced_ms.min(now_ms);
        self.round_start_ms = self.round_start_ms.min(now_ms);
    }

    fn end_round(&mut self, mean_ms: f64, now_ms: i64, limits: &DeliveryLimits) {
        let limit = f64::from(self.limit);
        let tolerated_ms = self.tolerated_ms(limits);
        let n_queued = (limit * (1.0 - tolerated_ms / mean_ms.max(1.0))).max(0.0);
        let is_in_time = mean_ms <= f64::from(limits.max_latency_ms);
        if n_queued < SHORT_QUEUE && self.is_limit_reached && is_in_time {
            // In the worst case, the latency rises by the same factor as the limit. Even then, the latency
            // should not exceed `tolerated_ms`.
            let factor = (tolerated_ms / mean_ms.max(1.0)).min(MAX_GROWTH);
            let raised = whole(limit * factor).max(self.limit.saturating_add(1));
            self.limit = raised.min(limits.max_limit().max(self.limit));
        } else if n_queued > LONG_QUEUE {
            self.limit = whole((limit - n_queued + SHORT_QUEUE).max(limit * (1.0 - MAX_CUT)));
        }
        self.start_round(now_ms);
        if now_ms.saturating_sub(self.measured_ms) >= MEASURE_EVERY_MS {
            self.measurement = Some(Measurement::Drain);
        }
    }

    /// The largest latency that is no sign of a queue, in milliseconds. This latency is at most half the
    /// deadline of an attempt.
    fn tolerated_ms(&self, limits: &DeliveryLimits) -> f64 {
        let longest_ms = f64::from(limits.max_latency_ms);
        self.baseline_ms
            .map_or(longest_ms, |baseline_ms| (TOLERANCE * f64::from(baseline_ms) + NOISE_MS).min(longest_ms))
    }

    fn reduce(&mut self, limit: u32, started_ms: i64, now_ms: i64) {
        self.measurement = None;
        if started_ms >= self.reduced_ms {
            (self.limit, self.reduced_ms) = (limit.max(1), now_ms);
        }
    }

    fn forget_latency(&mut self, now_ms: i64) {
        (self.baseline_ms, self.measurement) = (None, None);
        self.start_round(now_ms);
    }

    fn start_round(&mut self, now_ms: i64) {
        self.round_start_ms = now_ms;
        (self.n_answers, self.latency_sum_ms, self.is_limit_reached) = (0, 0, false);
    }
}

impl Measurement {
    /// The word that the database stores for this state of a measurement.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Alone => "alone",
        }
    }
}

impl FromStr for Measurement {
    type Err = ParseError;

    fn from_str(word: &str) -> Result<Self, ParseError> {
        [Self::Drain, Self::Alone].into_iter().find(|state| state.as_str() == word).ok_or(ParseError)
    }
}

/// Rounds a limit down to a whole number, at least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit is a small positive number, and its fraction is of no use"
)]
fn whole(limit: f64) -> u32 {
    limit.max(1.0) as u32
}

#[cfg(test)]
mod tests;
