use proptest::prelude::*;

use super::*;
use crate::model::webhook::Timings;

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

/// Leases one webhook of the destination and ends its attempt at once.
fn claim_and_record(state: &mut DestinationState, attempt: &Attempt, now_ms: i64) {
    state.record_claim(1, now_ms);
    state.end_lease();
    state.record_attempt(attempt, now_ms, &limits());
}

#[test]
fn five_failures_open_the_circuit_breaker_and_a_delivered_probe_closes_it() {
    let mut state = DestinationState::new(&limits());
    for n in 1..5 {
        claim_and_record(&mut state, &refused(), NOW_MS);
        assert_eq!(
            state.ready_ms(Some(0), &limits()),
            Some(NOW_MS),
            "the breaker is closed after {n} failures"
        );
    }
    let mut now_ms = NOW_MS;
    for pause_ms in [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000] {
        claim_and_record(&mut state, &refused(), now_ms);
        assert_eq!((state.n_free(&limits()), state.pause), (1, Some(PauseReason::Breaker)));
        assert_eq!(state.ready_ms(Some(0), &limits()), Some(now_ms + pause_ms));
        now_ms += pause_ms;
    }
    state.record_claim(1, now_ms);
    assert_eq!(state.ready_ms(Some(0), &limits()), None, "only one probe at a time");
    state.end_lease();
    state.record_attempt(&delivered(), now_ms, &limits());
    assert_eq!((state.n_openings, state.n_failures, state.pause), (0, 0, None));
    assert_eq!(state.n_free(&limits()), 2, "a limit of one, raised by the success of the probe");
    for _ in 0..20 {
        claim_and_record(&mut state, &delivered(), now_ms);
    }
    assert_eq!(state.n_free(&limits()), 8);
}

#[test]
fn failures_of_webhooks_claimed_before_the_circuit_breaker_opened_do_not_extend_the_pause() {
    let mut state = DestinationState::new(&limits());
    state.record_claim(8, NOW_MS);
    for _ in 0..8 {
        state.end_lease();
        state.record_attempt(&refused(), NOW_MS + 1, &limits());
    }
    assert_eq!((state.n_openings, state.paused_until_ms), (1, NOW_MS + 5_001));
}

#[test]
fn of_all_3xx_and_4xx_statuses_only_408_and_429_count_as_failures_of_the_receiver() {
    for (status, is_failure) in
        [(301, false), (400, false), (404, false), (410, false), (408, true), (429, true)]
    {
        let mut state = DestinationState::new(&limits());
        claim_and_record(&mut state, &attempt(Outcome::Rejected, Some(status)), NOW_MS);
        assert_eq!(state.n_failures, u32::from(is_failure), "{status}");
    }
    let mut state = DestinationState::new(&limits());
    (0..4).for_each(|_| claim_and_record(&mut state, &attempt(Outcome::Rejected, Some(503)), NOW_MS));
    claim_and_record(&mut state, &attempt(Outcome::Rejected, Some(404)), NOW_MS);
    assert_eq!(state.n_failures, 0);
}

#[test]
fn timeouts_halve_the_concurrency_limit_of_a_destination_and_deliveries_raise_it_by_one() {
    let tolerant = DeliveryLimits { n_failures_to_open: 100, ..limits() };
    let mut state = DestinationState::new(&tolerant);
    for expected in [4, 2, 1, 1] {
        state.record_attempt(&attempt(Outcome::Timeout, None), NOW_MS, &tolerant);
        assert_eq!(state.n_free(&tolerant), expected);
    }
    for expected in [2, 3, 4, 5, 6, 7, 8, 8] {
        state.record_attempt(&delivered(), NOW_MS, &tolerant);
        assert_eq!(state.n_free(&tolerant), expected);
    }
}

#[test]
fn retry_after_pauses_the_destination_for_at_most_one_hour() {
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
fn a_pause_is_shortened_to_the_longest_allowed_pause_after_the_clock_is_set_back() {
    let mut state = DestinationState::new(&limits());
    (0..5).for_each(|_| claim_and_record(&mut state, &refused(), NOW_MS));
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
        events in prop::collection::vec((any_attempt(), 0..400_000_i64, any::<bool>()), 1..200),
    ) {
        let limits = limits();
        let mut state = DestinationState::new(&limits);
        let mut now_ms = NOW_MS;
        for (attempt, wait_ms, claims) in events {
            now_ms += wait_ms;
            let ready_ms = state.ready_ms(Some(now_ms), &limits);
            if claims && ready_ms.is_some_and(|ready_ms| ready_ms <= now_ms) {
                let was_open = state.n_openings > 0;
                state.record_claim(state.n_free(&limits), now_ms);
                prop_assert!(!was_open || state.n_leased <= 8);
                prop_assert_eq!(state.n_free(&limits), 0);
            } else if state.n_leased > 0 {
                state.end_lease();
                state.record_attempt(&attempt, now_ms, &limits);
            }
            prop_assert!(state.n_leased <= limits.per_authority);
            prop_assert!((1..=limits.per_authority).contains(&state.concurrency_limit));
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
        n_free in prop::collection::vec(0..10_u32, 1..8),
        n_address_free in prop::collection::vec(0..12_u32, 1..4),
        lanes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0..20_u32), 0..12),
    ) {
        let capacity = SendCapacity { n_total, n_retries };
        // The address of every third destination is unknown. The other destinations share a few addresses.
        let address_of = |destination: usize| {
            (!destination.is_multiple_of(3)).then_some(destination % n_address_free.len())
        };
        let candidates: Vec<_> = lanes
            .into_iter()
            .map(|(destination, is_first, n_waiting)| {
                let destination = destination.index(n_free.len());
                let lane = if is_first { Lane::First } else { Lane::Retry };
                Candidate { destination, address: address_of(destination), lane, n_waiting }
            })
            .collect();
        let (mut left, mut address_left) = (n_free.clone(), n_address_free.clone());
        let shares = allocate(capacity, &mut left, &mut address_left, &candidates);
        let sum = |counts: &dyn Fn(&Candidate) -> bool| -> u32 {
            candidates.iter().zip(&shares).filter(|(candidate, _)| counts(candidate)).map(|(_, n)| n).sum()
        };
        let (total, total_retries) = (sum(&|_| true), sum(&|candidate| candidate.lane == Lane::Retry));
        prop_assert!(total <= n_total && total_retries <= n_retries);
        for (index, free) in n_free.iter().enumerate() {
            prop_assert_eq!(sum(&|candidate| candidate.destination == index) + left[index], *free);
        }
        for (index, free) in n_address_free.iter().enumerate() {
            prop_assert_eq!(sum(&|candidate| candidate.address == Some(index)) + address_left[index], *free);
        }
        for (candidate, share) in candidates.iter().zip(&shares) {
            prop_assert!(*share <= candidate.n_waiting);
            let fits = *share < candidate.n_waiting
                && left[candidate.destination] > 0
                && candidate.address.is_none_or(|address| address_left[address] > 0);
            let has_capacity =
                total < n_total && (candidate.lane == Lane::First || total_retries < n_retries);
            prop_assert!(!fits || !has_capacity, "usable capacity was left");
            // If a candidate could have got one more webhook, every other candidate of the same lane has at
            // most one webhook more than this candidate.
            let of_lane = candidates.iter().zip(&shares).filter(|(other, _)| other.lane == candidate.lane);
            for (_, other_share) in of_lane {
                prop_assert!(!fits || *other_share <= *share + 1);
            }
        }
    }
}
