//! What the server's wall clock showed when, and when the server ran: from this follows whether a webhook came too early,
//! and for how long it could have come before it did. Pure; all times in milliseconds, real ones from any beginning.

/// A stretch of real time without a jump, a start or a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from_ms: i64,
    /// How far the server's wall clock is from real time.
    offset_ms: i64,
    is_up: bool,
}

/// Everything that happened to a server, in order.
#[derive(Debug)]
pub(super) struct Timeline {
    stretches: Vec<Stretch>,
}

impl Timeline {
    /// A server that starts to run at `at_ms` with the right time.
    pub(super) fn new(at_ms: i64) -> Self {
        Self { stretches: vec![Stretch { from_ms: at_ms, offset_ms: 0, is_up: true }] }
    }

    pub(super) fn offset_ms(&self) -> i64 {
        self.last().offset_ms
    }

    pub(super) fn jumped(&mut self, at_ms: i64, by_ms: i64) {
        let last = self.last();
        self.push(Stretch { from_ms: at_ms, offset_ms: last.offset_ms + by_ms, ..last });
    }

    pub(super) fn stopped(&mut self, at_ms: i64) {
        let last = self.last();
        self.push(Stretch { from_ms: at_ms, is_up: false, ..last });
    }

    pub(super) fn started(&mut self, at_ms: i64) {
        let last = self.last();
        self.push(Stretch { from_ms: at_ms, is_up: true, ..last });
    }

    /// Whether a webhook that is due at `due_ms` of the server's clock and arrived at `at_ms` was sent too early: it was
    /// due at no moment in the last `way_ms`, which is what the way may take.
    pub(super) fn is_early(&self, due_ms: i64, at_ms: i64, way_ms: i64) -> bool {
        self.overlaps(at_ms - way_ms, at_ms).all(|(_, end_ms, stretch)| end_ms + stretch.offset_ms < due_ms)
    }

    /// For how long between two real times the server ran while the webhook was due.
    pub(super) fn lateness_ms(&self, due_ms: i64, from_ms: i64, at_ms: i64) -> i64 {
        let due = |(start_ms, end_ms, stretch): (i64, i64, Stretch)| {
            let due_from_ms = start_ms.max(due_ms - stretch.offset_ms);
            if stretch.is_up { (end_ms - due_from_ms).max(0) } else { 0 }
        };
        self.overlaps(from_ms, at_ms).map(due).sum()
    }

    /// Whether the server was stopped, or its clock jumped, within `within_ms` after a real time.
    pub(super) fn was_disturbed(&self, at_ms: i64, within_ms: i64) -> bool {
        self.stretches.iter().skip(1).any(|stretch| (0..=within_ms).contains(&(stretch.from_ms - at_ms)))
    }

    /// The stretches between two real times, each with its beginning and end there.
    fn overlaps(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = (i64, i64, Stretch)> {
        let ends = self.stretches.iter().skip(1).map(|next| next.from_ms).chain([i64::MAX]);
        self.stretches
            .iter()
            .zip(ends)
            .map(move |(stretch, end_ms)| (stretch.from_ms.max(from_ms), end_ms.min(to_ms), *stretch))
            .filter(|(start_ms, end_ms, _)| start_ms <= end_ms)
    }

    fn last(&self) -> Stretch {
        *self.stretches.last().expect("there is one from the beginning")
    }

    fn push(&mut self, stretch: Stretch) {
        self.stretches.push(stretch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Up from 0, an hour ahead from 1,000, down from 2,000 to 5,000, right again from 6,000.
    fn timeline() -> Timeline {
        let mut timeline = Timeline::new(0);
        timeline.jumped(1_000, 3_600_000);
        timeline.stopped(2_000);
        timeline.started(5_000);
        timeline.jumped(6_000, -3_600_000);
        assert_eq!(timeline.offset_ms(), 0);
        timeline
    }

    #[test]
    fn early_is_what_was_not_due_while_it_was_on_its_way() {
        let timeline = timeline();
        assert!(timeline.is_early(900, 899, 100));
        assert!(!timeline.is_early(900, 900, 100));
        assert!(!timeline.is_early(3_600_500, 1_000, 100), "due from the jump on");
        assert!(timeline.is_early(3_600_500, 999, 100), "and not before");
        assert!(!timeline.is_early(3_600_500, 6_050, 100), "sent before the clock was set back");
        assert!(timeline.is_early(3_600_500, 6_200, 100));
    }

    #[test]
    fn late_is_the_time_it_was_due_and_the_server_ran() {
        let timeline = timeline();
        for (due_ms, from_ms, at_ms, lateness_ms) in [
            (500, 0, 700, 200),
            (500, 600, 700, 100),
            (800, 0, 700, 0),
            (3_600_500, 0, 1_300, 300),
            // 1,000 before the stop, 300 after it.
            (3_600_500, 0, 5_300, 1_300),
            // Due for half a second, then the clock is set back.
            (3_605_500, 0, 9_000, 500),
        ] {
            assert_eq!(timeline.lateness_ms(due_ms, from_ms, at_ms), lateness_ms, "{due_ms} {at_ms}");
        }
    }

    #[test]
    fn a_stop_and_a_jump_disturb() {
        let timeline = timeline();
        for (at_ms, expected) in
            [(0, false), (950, true), (1_000, true), (1_001, false), (4_990, true), (6_001, false)]
        {
            assert_eq!(timeline.was_disturbed(at_ms, 100), expected, "{at_ms}");
        }
    }
}
