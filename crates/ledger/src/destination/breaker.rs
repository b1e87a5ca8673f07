//! The circuit breaker of a destination. It opens after several failures in a row that concern the whole
//! host, and then pauses the destination. The breaker closes as soon as the receiver answers any webhook.
//!
//! The first pauses are short, because most outages are short. The length of a pause is a fixed fraction of
//! the time for which the receiver has been down. So the pause lengthens an outage by at most this fraction.

use super::DeliveryLimits;

/// The length of a pause is the time for which the receiver has been down, divided by this number.
const PAUSE_DIVISOR: i64 = 25;

/// The jitter lengthens or shortens a pause by at most its length divided by this number. The jitter keeps
/// destinations that failed at the same time from being probed at the same time.
const JITTER_DIVISOR: i64 = 10;

/// The state of a circuit breaker: the consecutive failures of a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Breaker {
    /// The number of consecutive failures of the receiver.
    pub(crate) n_failures: u32,
    /// The number of times that the circuit breaker has opened since it was last closed. 0 while the breaker
    /// is closed.
    pub(crate) n_openings: u32,
    /// The start of the first attempt among the consecutive failures.
    pub(crate) down_since_ms: i64,
    /// The hash of a URL path (see [`path_hash`]), if all consecutive failures were failures of webhooks to
    /// this URL path, and if webhooks to other URL paths of the host might still succeed. If this field is
    /// `Some`, webhooks to other URL paths are sent one at a time, even during the pause.
    pub(crate) failed_path: Option<i64>,
}

/// One failure of a receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure<'a> {
    /// The start of the attempt.
    pub(crate) started_ms: i64,
    /// The IP address of the receiver, if it is known.
    pub(crate) address: Option<&'a str>,
    /// The hash of the URL path of the webhook, or `None` if the failure concerns all URL paths of the host.
    pub(crate) path: Option<i64>,
    /// Whether the attempt was a probe after the end of a pause.
    pub(crate) is_probe: bool,
}

impl Breaker {
    pub(crate) fn is_open(&self) -> bool {
        self.n_openings > 0
    }

    /// Records a failure. Returns the length of the pause if a pause begins.
    ///
    /// While the breaker is open, only a failed probe begins a pause. Webhooks that were sent before the
    /// breaker opened do not extend the pause.
    pub(crate) fn record_failure(
        &mut self,
        failure: Failure<'_>,
        now_ms: i64,
        limits: &DeliveryLimits,
    ) -> Option<i64> {
        if self.n_failures == 0 {
            (self.down_since_ms, self.failed_path) = (failure.started_ms.min(now_ms), failure.path);
        } else if self.failed_path != failure.path {
            self.failed_path = None;
        }
        self.n_failures = self.n_failures.saturating_add(1);
        let opens = !self.is_open() && self.n_failures >= limits.n_failures_to_open.max(1);
        let is_failed_probe = self.is_open() && failure.is_probe;
        if !opens && !is_failed_probe {
            return None;
        }
        self.n_openings = self.n_openings.saturating_add(1);
        let down_ms = now_ms.saturating_sub(self.down_since_ms).max(0);
        let pause_ms = (down_ms / PAUSE_DIVISOR).max(limits.first_pause_ms);
        Some(jittered(pause_ms, failure.jitter_seed(now_ms)).min(limits.max_pause_ms))
    }

    /// Closes the breaker after an answer of the receiver. Returns whether it was open.
    pub(crate) fn close(&mut self) -> bool {
        let was_open = self.is_open();
        *self = Self::default();
        was_open
    }
}

impl Failure<'_> {
    /// The seed of the jitter of a pause: a number that differs between receivers and between pauses.
    fn jitter_seed(&self, now_ms: i64) -> u64 {
        fnv1a(self.address.unwrap_or_default().as_bytes()) ^ now_ms.cast_unsigned()
    }
}

/// A hash of the part of a URL before its query. Webhooks with the same hash count as webhooks to the same
/// URL path. The database stores the hash, so the hash function, FNV-1a with 64 bits, must never change.
pub(crate) fn path_hash(url: &str) -> i64 {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    fnv1a(path.as_bytes()).cast_signed()
}

/// Lengthens or shortens a pause by a pseudo-random amount of at most a tenth of the pause.
fn jittered(pause_ms: i64, seed: u64) -> i64 {
    let spread_ms = pause_ms / JITTER_DIVISOR;
    // The multiplication mixes the lower bits of the seed into the upper 32 bits, which the shift keeps.
    let unit =
        i64::try_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).expect("the shift leaves 32 bits");
    let shift_ms = (i128::from(2 * spread_ms) * i128::from(unit)) >> 32;
    pause_ms - spread_ms + i64::try_from(shift_ms).expect("the shift is at most twice the spread")
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
