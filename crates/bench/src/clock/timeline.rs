//! When the server ran, and what its wall clock showed. Two facts about a delivery follow: whether it came
//! before the webhook was due, and how long it could have come earlier. All times are in milliseconds. Real
//! times count from any fixed moment; due times are times of the server's wall clock.

/// A period of real time without a jump of the clock, a start or a stop. It ends where the next period
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    from_ms: i64,
    /// How far the server's wall clock is ahead of real time.
    offset_ms: i64,
    is_running: bool,
}

/// All periods of a server, in order.
#[derive(Debug)]
pub(super) struct Timeline {
    periods: Vec<Period>,
}

impl Timeline {
    /// The timeline of a server that is started at `at_ms`, with a correct clock.
    pub(super) fn new(at_ms: i64) -> Self {
        Self { periods: vec![Period { from_ms: at_ms, offset_ms: 0, is_running: true }] }
    }

    /// How far the server's wall clock is ahead of real time now.
    pub(super) fn offset_ms(&self) -> i64 {
        self.last().offset_ms
    }

    /// The clock was set forward by `by_ms`, or back if that is negative.
    pub(super) fn record_jump(&mut self, at_ms: i64, by_ms: i64) {
        let last = self.last();
        self.periods.push(Period { from_ms: at_ms, offset_ms: last.offset_ms + by_ms, ..last });
    }

    /// The server was stopped.
    pub(super) fn record_stop(&mut self, at_ms: i64) {
        let last = self.last();
        self.periods.push(Period { from_ms: at_ms, is_running: false, ..last });
    }

    /// The server was started again.
    pub(super) fn record_start(&mut self, at_ms: i64) {
        let last = self.last();
        self.periods.push(Period { from_ms: at_ms, is_running: true, ..last });
    }

    /// Whether a delivery at the real time `at_ms` was early: the webhook was due at no moment of the last
    /// `transit_ms`, which is the time that a delivery may take.
    pub(super) fn is_early(&self, due_ms: i64, at_ms: i64, transit_ms: i64) -> bool {
        let mut periods = self.overlaps(at_ms - transit_ms, at_ms);
        periods.all(|(_, end_ms, period)| end_ms + period.offset_ms < due_ms)
    }

    /// How long the server ran while the webhook was due, between two real times.
    pub(super) fn lateness_ms(&self, due_ms: i64, from_ms: i64, to_ms: i64) -> i64 {
        let lateness = |(start_ms, end_ms, period): (i64, i64, Period)| {
            let due_from_ms = start_ms.max(due_ms - period.offset_ms);
            if period.is_running { (end_ms - due_from_ms).max(0) } else { 0 }
        };
        self.overlaps(from_ms, to_ms).map(lateness).sum()
    }

    /// Whether the server was stopped or started, or its clock jumped, within `within_ms` after a real time.
    pub(super) fn was_disturbed(&self, at_ms: i64, within_ms: i64) -> bool {
        self.periods.iter().skip(1).any(|period| (0..=within_ms).contains(&(period.from_ms - at_ms)))
    }

    /// The periods between two real times, each with its start and its end within them.
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

    /// Running from 0; an hour ahead from 1,000; stopped from 2,000 to 5,000; correct again from 6,000.
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
    fn a_delivery_is_early_if_its_webhook_was_not_due_during_the_transit_time() {
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
    fn lateness_counts_only_the_time_in_which_the_server_runs_and_the_webhook_is_due() {
        let timeline = timeline();
        for (due_ms, from_ms, to_ms, lateness_ms) in [
            (500, 0, 700, 200),
            (500, 600, 700, 100),
            (800, 0, 700, 0),
            (3_600_500, 0, 1_300, 300),
            // 1,000 before the stop, 300 after the start.
            (3_600_500, 0, 5_300, 1_300),
            // Due for half a second, until the clock is set back.
            (3_605_500, 0, 9_000, 500),
        ] {
            assert_eq!(timeline.lateness_ms(due_ms, from_ms, to_ms), lateness_ms, "{due_ms} {to_ms}");
        }
    }

    #[test]
    fn a_stop_a_start_and_a_jump_are_disturbances() {
        let timeline = timeline();
        for (at_ms, expected) in
            [(0, false), (950, true), (1_000, true), (1_001, false), (4_990, true), (6_001, false)]
        {
            assert_eq!(timeline.was_disturbed(at_ms, 100), expected, "{at_ms}");
        }
    }
}
