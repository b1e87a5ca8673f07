//! Computes percentiles of measured times.

use std::time::Duration;

use serde::Serialize;

/// Percentiles of measured times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Percentiles {
    /// Computes percentiles by the nearest-rank method. Returns `None` if `times` is empty.
    pub(crate) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let rank = |percent: usize| {
            let index = (times.len() * percent).div_ceil(100).checked_sub(1)?;
            times.get(index).map(|time| round_ms(*time))
        };
        Some(Self { p50: rank(50)?, p99: rank(99)?, max: rank(100)? })
    }
}

/// Converts a time to milliseconds and rounds the number to two decimals, because the timers of the load
/// tools are not more precise.
fn round_ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// Returns the median of some values: the middle value, or the mean of the two middle values. Returns `None`
/// if there are no values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_percentile_of_durations_is_the_duration_at_the_nearest_rank() {
        let times = |range: std::ops::RangeInclusive<u64>| range.rev().map(Duration::from_millis).collect();
        assert_eq!(Percentiles::of(times(1..=100)), Some(Percentiles { p50: 50.0, p99: 99.0, max: 100.0 }));
        assert_eq!(Percentiles::of(times(7..=7)), Some(Percentiles { p50: 7.0, p99: 7.0, max: 7.0 }));
        assert_eq!(Percentiles::of(times(1..=3)), Some(Percentiles { p50: 2.0, p99: 3.0, max: 3.0 }));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }

    #[test]
    fn the_median_is_the_middle_value_or_the_mean_of_the_two_middle_values() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 100.0, 1.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }
}
