//! Records when the server ran and which time its wall clock showed. From this record, the tool computes
//! whether a webhook arrived before it was due, and how late it arrived. All times are in milliseconds. Real
//! times count from an arbitrary fixed moment; due times are times of the server's wall clock.

/// A period of real time in which the server was not started or stopped and its wall clock did not jump. The
/// period ends when the next period begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    from_ms: i64,
    /// The time of the server's wall clock minus real time, in milliseconds.
    offset_ms: i64,
    is_running: bool,
}

/// All periods of a server in chronological order.
#[derive(Debug)]
pub(super) struct Timeline {
    periods: Vec<Period>,
}

impl Timeline {
    /// Creates the timeline of a server that is started at the real time `at_ms`. The server's clock shows
    /// real time.
    pub(super) fn new(at_ms: i64) -> Self {
        Self { periods: vec![Period { from_ms: at_ms, offset_ms: 0, is_running: true }] }
    }

    /// Returns the time of the server's wall clock minus real time, in milliseconds, for the current period.
    pub(super) fn offset_ms(&self) -> i64 {
        self.last().offset_ms
    }

    /// Records that the server's clock was set forward by `by_ms`, or back if `by_ms` is negative.
    pub(super) fn record_jump(&mut self, at_ms: i64, by_ms: i64) {
        let last = self.last();
        self.periods.push(Period { from_ms: at_ms, offset_ms: last.offset_ms + by_ms, ..last });
    }

    /// Records that the server was stopped.
    pub(super) fn record_stop(&mut self, at_ms: i64) {
        let last = self.last();
        self.periods.push(Period { from_ms: at_ms, is_running: false, ..last });
    }

    /// Records that the server was started again.
    pub(super) fn record_start(&mut self, at_ms: i64) {
        let last = self.last();
        self.periods.push(Period { from_ms: at_ms, is_running: true, ..last });
    }

    /// Returns whether a webhook that arrived at the real time `at_ms` was sent too early: the server's clock
    /// had not reached the due time at any moment of the last `transit_ms`. `transit_ms` is the longest time
    /// that a webhook needs from the server to the receiver.
    pub(super) fn is_early(&self, due_ms: i64, at_ms: i64, transit_ms: i64) -> bool {
        let mut periods = self.overlaps(at_ms - transit_ms, at_ms);
        periods.all(|(_, end_ms, period)| end_ms + period.offset_ms < due_ms)
    }

    /// Returns the time between two real times in which the server ran and the webhook was due.
    pub(super) fn lateness_ms(&self, due_ms: i64, from_ms: i64, to_ms: i64) -> i64 {
        let lateness = |(start_ms, end_ms, period): (i64, i64, Period)| {
            let due_from_ms = start_ms.max(due_ms - period.offset_ms);
            if period.is_running { (end_ms - due_from_ms).max(0) } else { 0 }
        };
        self.overlaps(from_ms, to_ms).map(lateness).sum()
    }

    /// Returns whether the server was stopped or started, or its clock jumped, at most `within_ms` after the
    /// real time `at_ms`.
    pub(super) fn was_disturbed(&self, at_ms: i64, within_ms: i64) -> bool {
        self.periods.iter().skip(1).any(|period| (0..=within_ms).contains(&(period.from_ms - at_ms)))
    }

    /// Returns the periods between two real times. Each period has its start and end, limited to the two
    /// given times.
    fn overlaps(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = (i64, i64, Period)> {
        let ends = self.periods.iter().skip(1).map(|next| next.from_ms).chain([i64::MAX]);
        self.periods
            .iter()
            .zip(ends)
            .map(move |(period, end_ms)| (period.from_ms.max(from_ms), end_ms.min(to_ms), *period))
            .filter(|(start_ms, end_ms, _)| start_ms <= end_ms)
    }

    fn last(&self) -> Period {
        *self.periods.last().expect("a new timeline has a period")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test server runs from 0 ms. Its clock is one hour ahead from 1,000 to 6,000 ms, and correct before
    /// and after. The server is stopped from 2,000 to 5,000 ms.
    fn timeline() -> Timeline {
        let mut timeline = Timeline::new(0);
        timeline.record_jump(1_000, 3_600_000);
        timeline.record_stop(2_000);
        timeline.record_start(5_000);
        timeline.record_jump(6_000, -3_600_000);
        assert_eq!(timeline.offset_ms(), 0);
        timeline
    }

    #[test]
    fn a_webhook_delivery_counts_as_early_if_the_due_time_was_not_reached_at_any_moment_of_its_transit() {
        let timeline = timeline();
        assert!(timeline.is_early(900, 899, 100));
        assert!(!timeline.is_early(900, 900, 100));
        assert!(!timeline.is_early(3_600_500, 1_000, 100), "the jump makes the webhook due");
        assert!(timeline.is_early(3_600_500, 999, 100), "the webhook is not due before the jump");
        assert!(
            !timeline.is_early(3_600_500, 6_050, 100),
            "the webhook was sent before the clock was set back"
        );
        assert!(timeline.is_early(3_600_500, 6_200, 100));
    }

    #[test]
    fn the_lateness_of_a_webhook_counts_only_time_in_which_the_server_runs_and_the_webhook_is_due() {
        let timeline = timeline();
        for (due_ms, from_ms, to_ms, lateness_ms) in [
            (500, 0, 700, 200),
            (500, 600, 700, 100),
            (800, 0, 700, 0),
            (3_600_500, 0, 1_300, 300),
            // The webhook is late by 1,000 ms before the stop of the server, plus 300 ms after its start.
            (3_600_500, 0, 5_300, 1_300),
            // The webhook is due for 500 ms, until the clock is set back to a time before the due time.
            (3_605_500, 0, 9_000, 500),
        ] {
            assert_eq!(timeline.lateness_ms(due_ms, from_ms, to_ms), lateness_ms, "{due_ms} {to_ms}");
        }
    }

    #[test]
    fn a_time_shortly_before_a_start_stop_or_clock_jump_of_the_server_counts_as_disturbed() {
        let timeline = timeline();
        for (at_ms, expected) in
            [(0, false), (950, true), (1_000, true), (1_001, false), (4_990, true), (6_001, false)]
        {
            assert_eq!(timeline.was_disturbed(at_ms, 100), expected, "{at_ms}");
        }
    }
}
