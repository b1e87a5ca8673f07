//! Forecasts when the workers will be free, by giving them the images that wait.

use std::time::{Duration, Instant};

/// How long a running image will still run. An image that has run longer than expected is expected to run as
/// long again.
pub(super) fn remaining_s(expected: Duration, since: Instant, now: Instant) -> f64 {
    let elapsed = now.saturating_duration_since(since);
    expected.checked_sub(elapsed).unwrap_or(elapsed).as_secs_f64()
}

/// The seconds after which each worker is free.
pub(super) struct Workers {
    pub(super) ordinary: Vec<f64>,
    pub(super) express: Vec<f64>,
    /// How much longer ordinary workers take, because they also serve jobs.
    pub(super) slowness: f64,
}

impl Workers {
    /// Gives an image to the worker that is free first, for `seconds`. Returns when it starts.
    pub(super) fn take(&mut self, seconds: f64, is_light: bool) -> f64 {
        let express = self.express.iter_mut().map(|free_at| (free_at, 1.0)).filter(|_| is_light);
        let ordinary = self.ordinary.iter_mut().map(|free_at| (free_at, self.slowness));
        let first = express.chain(ordinary).min_by(|(a, _), (b, _)| a.total_cmp(b));
        let (free_at, slowness) = first.expect("a schedule has at least one ordinary worker");
        let start = *free_at;
        *free_at += seconds * slowness;
        start
    }
}
