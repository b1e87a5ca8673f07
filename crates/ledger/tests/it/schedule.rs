//! Tests of the retry schedule of webhooks.

use pixaven_ledger::schedule::Schedule;
use proptest::prelude::*;

const S: i64 = 1_000;
const MIN: i64 = 60 * S;
const H: i64 = 60 * MIN;

/// The random number for which the jitter of a wait is zero.
const NO_JITTER: f64 = 0.5;

#[test]
fn the_default_retry_schedule_has_the_ten_documented_waits() {
    let schedule = Schedule::default();
    let waits = [0, 5 * S, 5 * MIN, 30 * MIN, 2 * H, 5 * H, 10 * H, 14 * H, 20 * H, 24 * H];
    for (attempt, wait_ms) in (0..).zip(waits) {
        assert_eq!(schedule.due_after(attempt, 7, NO_JITTER, None), Some(7 + wait_ms), "after {attempt}");
    }
    assert_eq!(schedule.n_attempts(), 10);
    for exhausted in [10, 11, u32::MAX] {
        assert_eq!(schedule.due_after(exhausted, 7, NO_JITTER, Some(S)), None);
    }
}

#[test]
fn only_retry_waits_of_five_minutes_or_more_get_random_jitter() {
    let schedule = Schedule::default();
    let check = |attempt, unit_random, expected_ms| {
        assert_eq!(
            schedule.due_after(attempt, 0, unit_random, None),
            Some(expected_ms),
            "after {attempt}, random number {unit_random}"
        );
    };
    check(1, 0.0, 5 * S);
    check(1, 0.999, 5 * S);
    check(2, 0.0, 4 * MIN);
    check(2, 1.0, 6 * MIN);
    check(9, 0.0, 24 * H * 8 / 10);
    check(9, 0.25, 24 * H * 9 / 10);
}

#[test]
fn a_retry_after_header_lengthens_the_wait_for_a_retry_to_at_most_the_next_scheduled_wait() {
    let schedule = Schedule::default();
    let check = |attempt, retry_after_ms, expected_ms| {
        let due_ms = schedule.due_after(attempt, 0, NO_JITTER, Some(retry_after_ms));
        assert_eq!(due_ms, Some(expected_ms), "after {attempt}, retry after {retry_after_ms}");
    };
    check(1, 60 * S, 60 * S);
    check(1, S, 5 * S);
    check(1, -S, 5 * S);
    check(1, H, 5 * MIN);
    check(1, i64::MAX, 5 * MIN);
    check(9, 48 * H, 24 * H);
}

#[test]
fn a_custom_retry_schedule_uses_the_given_waits() {
    let schedule = Schedule::new(vec![0, 20, -5]);
    assert_eq!(schedule.due_after(1, 100, NO_JITTER, None), Some(120));
    assert_eq!(schedule.due_after(1, 100, NO_JITTER, Some(50)), Some(120), "the next wait is not longer");
    assert_eq!(schedule.due_after(2, 100, NO_JITTER, None), Some(100));
    assert_eq!(schedule.due_after(3, 100, NO_JITTER, None), None);
    assert_eq!(Schedule::new(vec![]).due_after(1, 100, NO_JITTER, None), None);
}

proptest! {
    #[test]
    fn a_retry_is_due_between_the_shortest_and_longest_wait_that_the_schedule_allows(
        waits in prop::collection::vec(0..48 * H, 1..12),
        attempt in 0_u32..14,
        now_ms in 0..4_000_000_000_000_i64,
        unit_random in 0.0..1.0,
        retry_after_ms in prop::option::of(any::<i64>()),
    ) {
        let due_ms = Schedule::new(waits.clone()).due_after(attempt, now_ms, unit_random, retry_after_ms);
        let wait_ms = waits.get(attempt as usize);
        prop_assert_eq!(due_ms.is_some(), wait_ms.is_some());
        if let (Some(due_ms), Some(wait_ms)) = (due_ms, wait_ms) {
            let next_ms = waits.get(attempt as usize + 1).unwrap_or(wait_ms);
            prop_assert!(due_ms - now_ms >= wait_ms * 8 / 10);
            prop_assert!(due_ms - now_ms <= (wait_ms * 12 / 10 + 1).max(*next_ms));
        }
    }
}
