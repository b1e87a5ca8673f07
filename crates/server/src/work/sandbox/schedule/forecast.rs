//! Forecasts when the workers will be free, by assigning the waiting images to the workers in their order.

use std::time::{Duration, Instant};

/// Returns the expected remaining time of a running image, in seconds. If the image has run for longer than
/// its expected time, the remaining time is the time for which the image has already run.
pub(super) fn remaining_s(expected: Duration, since: Instant, now: Instant) -> f64 {
    let elapsed = now.saturating_duration_since(since);
    expected.checked_sub(elapsed).unwrap_or(elapsed).as_secs_f64()
}

/// For each worker, the number of seconds after which the worker is free.
pub(super) struct Workers {
    pub(super) ordinary: Vec<f64>,
    pub(super) express: Vec<f64>,
    /// The factor by which ordinary workers need longer for interactive requests while ordinary workers also
    /// process jobs.
    pub(super) slowness: f64,
}

impl Workers {
    /// Assigns an image that takes `seconds` to the worker that becomes free first. Returns the number of
    /// seconds after which the image starts.
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
