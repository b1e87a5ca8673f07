use proptest::prelude::*;

use super::*;
use crate::model::webhook::{Outcome, Timings};

const NOW_MS: i64 = 1_700_000_000_000;

fn limits() -> DeliveryLimits {
    DeliveryLimits::default()
}

fn attempt(outcome: Outcome, status: Option<u16>) -> Attempt {
    Attempt {
        started_ms: NOW_MS,
        duration_ms: 1,
        outcome,
        status,
        address: Some("203.0.113.7:443".to_owned()),
        timings: Timings::default(),
        response: None,
        retry_after_ms: None,
    }
}

fn delivered() -> Attempt {
    attempt(Outcome::Delivered, Some(204))
}

fn refused() -> Attempt {
    attempt(Outcome::Refused, None)
}

/// The hash of the URL path of the webhooks in these tests.
const PATH: i64 = 1;

/// Leases one webhook of the destination and ends its attempt at once.
fn claim_and_record(state: &mut DestinationState, attempt: &Attempt, now_ms: i64) -> Option<BreakerEvent> {
    state.record_claim(1, now_ms, &limits());
    state.end_lease();
    state.record_attempt(attempt, PATH, now_ms, &limits())
}

/// Ends `n` attempts of the destination one after the other.
fn fail(state: &mut DestinationState, n: u32, attempt: &Attempt) {
    for _ in 0..n {
        claim_and_record(state, attempt, NOW_MS);
    }
}

/// Whether a pause has a length, apart from its jitter of up to 10 %.
fn is_about(pause_ms: i64, expected_ms: i64) -> bool {
    (expected_ms * 9 / 10..=expected_ms * 11 / 10).contains(&pause_ms)
}

#[test]
fn five_failures_open_the_circuit_breaker_and_a_delivered_probe_closes_it() {
    let mut state = DestinationState::new(&limits());
    for n in 1..5 {
        assert_eq!(claim_and_record(&mut state, &refused(), NOW_MS), None);
        let ready_ms = state.ready_ms(Some(0), &limits());
        assert_eq!(ready_ms, Some(NOW_MS), "the circuit breaker is closed after {n} failures");
    }
    let event = claim_and_record(&mut state, &refused(), NOW_MS);
    assert!(
        matches!(event, Some(BreakerEvent::Opened { pause_ms }) if is_about(pause_ms, 1_000)),
        "{event:?}"
    );
    assert_eq!((state.n_free(&limits()), state.pause), (1, Some(PauseReason::Breaker)));
    let now_ms = state.paused_until_ms;
    state.record_claim(1, now_ms, &limits());
    assert_eq!(state.ready_ms(Some(0), &limits()), None, "only one probe at a time");
    state.end_lease();
    let event = state.record_attempt(&delivered(), PATH, now_ms, &limits());
    assert_eq!(event, Some(BreakerEvent::Closed { down_ms: now_ms - NOW_MS }));
    assert_eq!((&state.breaker, state.pause), (&Breaker::default(), None));
    assert_eq!(state.n_free(&limits()), 2, "a limit of one, raised by the success of the probe");
    for _ in 0..20 {
        claim_and_record(&mut state, &delivered(), now_ms);
    }
    assert_eq!(state.n_free(&limits()), 8);
}

#[test]
fn the_pause_of_a_circuit_breaker_is_a_25th_of_the_time_for_which_the_receiver_has_been_down() {
    let mut state = DestinationState::new(&limits());
    fail(&mut state, 5, &refused());
    let mut pauses_ms = vec![];
    while state.paused_until_ms < NOW_MS + 86_400_000 {
        let now_ms = state.paused_until_ms;
        claim_and_record(&mut state, &refused(), now_ms);
        let (pause_ms, down_ms) = (state.paused_until_ms - now_ms, now_ms - NOW_MS);
        let expected_ms = (down_ms / 25).clamp(1_000, 300_000);
        assert!(is_about(pause_ms, expected_ms) && pause_ms <= 300_000, "{pause_ms} ms after {down_ms} ms");
        pauses_ms.push(pause_ms);
    }
    pauses_ms.dedup();
    assert!(pauses_ms.len() > 100, "the pauses vary");
}

#[test]
fn failures_of_webhooks_claimed_before_the_circuit_breaker_opened_do_not_lengthen_its_pause() {
    let mut state = DestinationState::new(&limits());
    state.record_claim(8, NOW_MS, &limits());
    let mut ends_ms = vec![];
    for _ in 0..8 {
        state.end_lease();
        state.record_attempt(&refused(), PATH, NOW_MS + 1, &limits());
        ends_ms.push(state.paused_until_ms);
    }
    ends_ms.dedup();
    assert_eq!((ends_ms.len(), state.breaker.n_openings), (2, 1), "{ends_ms:?}");
}

#[test]
fn only_failures_that_show_that_the_receiver_is_down_count_for_its_circuit_breaker() {
    for status in [301, 400, 404, 408, 410, 429, 500, 501, 505] {
        let mut state = DestinationState::new(&limits());
        fail(&mut state, 4, &refused());
        claim_and_record(&mut state, &attempt(Outcome::Rejected, Some(status)), NOW_MS);
        assert_eq!(state.breaker.n_failures, 0, "{status} is an answer of a receiver that works");
    }
    for status in [502, 503, 504] {
        let mut state = DestinationState::new(&limits());
        fail(&mut state, 5, &attempt(Outcome::Rejected, Some(status)));
        assert!(state.breaker.is_open(), "{status}");
    }
}

#[test]
fn the_circuit_breaker_remembers_the_only_url_path_that_failed_until_another_url_path_fails() {
    let unavailable = attempt(Outcome::Rejected, Some(503));
    let mut state = DestinationState::new(&limits());
    fail(&mut state, 5, &unavailable);
    assert_eq!(state.only_failed_path(NOW_MS), Some(PATH));
    state.record_attempt(&unavailable, PATH + 1, NOW_MS, &limits());
    assert_eq!(state.only_failed_path(NOW_MS), None);

    let mut state = DestinationState::new(&limits());
    fail(&mut state, 5, &refused());
    assert_eq!(state.only_failed_path(NOW_MS), None, "without a connection, every path fails");
}

#[test]
fn a_destination_may_exceed_the_webhook_limit_of_its_ip_address_up_to_its_own_concurrency_limit() {
    let mut state = DestinationState::new(&limits());
    assert_eq!(state.address_limit(&limits()), 64);
    state.concurrency.limit = 100;
    assert_eq!(state.address_limit(&limits()), 100);
}

#[test]
fn a_retry_after_header_pauses_its_destination_for_at_most_one_hour() {
    for (retry_after_ms, expected_ms) in [(60_000, 60_000), (i64::MAX, 3_600_000), (-5, 0), (0, 0)] {
        let mut state = DestinationState::new(&limits());
        let rejected =
            Attempt { retry_after_ms: Some(retry_after_ms), ..attempt(Outcome::Rejected, Some(429)) };
        claim_and_record(&mut state, &rejected, NOW_MS);
        assert_eq!(state.ready_ms(Some(0), &limits()), Some(NOW_MS + expected_ms), "{retry_after_ms}");
        claim_and_record(&mut state, &delivered(), NOW_MS + 1);
        let until_ms = state.paused_until_ms.max(NOW_MS);
        assert_eq!(until_ms, NOW_MS + expected_ms, "a success does not end the pause");
    }
}

#[test]
fn the_pause_of_a_destination_is_cut_to_the_longest_allowed_pause_after_the_clock_is_set_back() {
    let mut state = DestinationState::new(&limits());
    let rejected = Attempt { retry_after_ms: Some(i64::MAX), ..attempt(Outcome::Rejected, Some(429)) };
    claim_and_record(&mut state, &rejected, NOW_MS);
    let earlier_ms = NOW_MS - 86_400_000;
    state.clamp_to_clock(earlier_ms, &limits());
    assert_eq!(state.ready_ms(Some(0), &limits()), Some(earlier_ms + 3_600_000));
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let status = prop_oneof![Just(None), (200..600_u16).prop_map(Some)];
    (prop::sample::select(&Outcome::ALL[..]), status, any::<Option<i64>>())
        .prop_map(|(outcome, status, retry_after_ms)| Attempt { retry_after_ms, ..attempt(outcome, status) })
}

proptest! {
    #[test]
    fn a_destination_never_exceeds_its_concurrency_limit_and_is_never_blocked_for_ever(
        events in prop::collection::vec((any_attempt(), 0..3_i64, 0..400_000_i64, any::<bool>()), 1..200),
    ) {
        let limits = limits();
        let mut state = DestinationState::new(&limits);
        let mut now_ms = NOW_MS;
        for (attempt, path, wait_ms, claims) in events {
            now_ms += wait_ms;
            let ready_ms = state.ready_ms(Some(now_ms), &limits);
            if claims && ready_ms.is_some_and(|ready_ms| ready_ms <= now_ms) {
                let was_open = state.breaker.is_open();
                let n_before = state.n_leased;
                state.record_claim(state.n_free(&limits), now_ms, &limits);
                prop_assert!(!was_open || state.n_leased <= n_before + 1);
            } else if state.n_leased > 0 {
                state.end_lease();
                state.record_attempt(&attempt, path, now_ms, &limits);
            }
            prop_assert!(state.n_leased <= limits.max_limit());
            prop_assert!((1..=limits.max_limit()).contains(&state.concurrency.limit));
            prop_assert!(state.paused_until_ms <= now_ms + limits.max_any_pause_ms());
            // A destination without leased webhooks must become ready at the latest when the longest possible
            // pause has passed.
            if state.n_leased == 0 {
                let ready_ms = state.ready_ms(Some(now_ms), &limits);
                let latest_ms = now_ms + limits.max_any_pause_ms();
                prop_assert!(ready_ms.is_some_and(|ready_ms| ready_ms <= latest_ms));
            }
        }
    }

    #[test]
    fn send_capacity_is_allocated_round_robin_until_no_destination_can_use_more(
        (n_total, n_retries) in (0..40_u32, 0..40_u32),
        loads in prop::collection::vec((0..20_u32, 0..10_u32, 1..30_u32), 1..8),
        n_at_address in prop::collection::vec(0..30_u32, 1..4),
        lanes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0..20_u32), 0..12),
    ) {
        let (capacity, limits) = (SendCapacity { n_total, n_retries }, limits());
        // The address of every third destination is unknown. The other destinations share a few addresses.
        let address_of = |destination: usize| {
            (!destination.is_multiple_of(3)).then_some(destination % n_at_address.len())
        };
        let loads: Vec<_> = loads
            .into_iter()
            .map(|(n_leased, n_free, address_limit)| Load { n_leased, n_free, address_limit })
            .collect();
        let candidates: Vec<_> = lanes
            .into_iter()
            .map(|(destination, is_first, n_waiting)| {
                let destination = destination.index(loads.len());
                let lane = if is_first { Lane::First } else { Lane::Retry };
                Candidate { destination, address: address_of(destination), lane, n_waiting }
            })
            .collect();
        let (mut after, mut at_address) = (loads.clone(), n_at_address.clone());
        let shares = allocate(capacity, &limits, &mut after, &mut at_address, &candidates);
        let sum = |counts: &dyn Fn(&Candidate) -> bool| -> u32 {
            candidates.iter().zip(&shares).filter(|(candidate, _)| counts(candidate)).map(|(_, n)| n).sum()
        };
        let (total, total_retries) = (sum(&|_| true), sum(&|candidate| candidate.lane == Lane::Retry));
        prop_assert!(total <= n_total && total_retries <= n_retries);
        for (index, (before, after)) in loads.iter().zip(&after).enumerate() {
            let n = sum(&|candidate| candidate.destination == index);
            prop_assert_eq!((after.n_leased, after.n_free + n), (before.n_leased + n, before.n_free));
            // No destination gets a webhook that raises its number of leased webhooks above the threshold.
            prop_assert!(n == 0 || after.n_leased <= limits.threshold(n_total));
        }
        for (index, n) in n_at_address.iter().enumerate() {
            prop_assert_eq!(n + sum(&|candidate| candidate.address == Some(index)), at_address[index]);
        }
        let n_left = n_total - total;
        for (candidate, share) in candidates.iter().zip(&shares) {
            prop_assert!(*share <= candidate.n_waiting);
            let load = after[candidate.destination];
            let n_of_lane_left =
                if candidate.lane == Lane::First { n_left } else { n_left.min(n_retries - total_retries) };
            let fits = *share < candidate.n_waiting
                && load.n_free > 0
                && load.n_leased < limits.threshold(n_of_lane_left)
                && candidate.address.is_none_or(|address| at_address[address] < load.address_limit);
            prop_assert!(!fits || n_of_lane_left == 0, "usable capacity was left");
            // If a candidate could have got one more webhook, every other candidate of the same lane has at
            // most one webhook more than this candidate.
            let of_lane = candidates.iter().zip(&shares).filter(|(other, _)| other.lane == candidate.lane);
            for (_, other_share) in of_lane {
                prop_assert!(!fits || *other_share <= *share + 1);
            }
        }
    }
}
