use proptest::prelude::*;

use super::*;
use crate::model::webhook::Timings;

const NOW_MS: i64 = 1_700_000_000_000;

fn fairness() -> Fairness {
    Fairness::default()
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

fn good() -> Attempt {
    attempt(Outcome::Delivered, Some(204))
}

fn refused() -> Attempt {
    attempt(Outcome::Refused, None)
}

/// Claims one and ends it at once.
fn make(flow: &mut Flow, attempt: &Attempt, now_ms: i64) {
    flow.claimed(1, now_ms);
    flow.returned();
    flow.attempted(attempt, now_ms, &fairness());
}

#[test]
fn the_breaker_opens_probes_and_starts_slowly() {
    let mut flow = Flow::new(&fairness());
    for n in 1..5 {
        make(&mut flow, &refused(), NOW_MS);
        assert_eq!(flow.ready_ms(Some(0), &fairness()), Some(NOW_MS), "failure {n} is not enough");
    }
    let mut now_ms = NOW_MS;
    for pause_ms in [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000] {
        make(&mut flow, &refused(), now_ms);
        assert_eq!((flow.n_free(&fairness()), flow.pause), (1, Some(Pause::Breaker)));
        assert_eq!(flow.ready_ms(Some(0), &fairness()), Some(now_ms + pause_ms));
        now_ms += pause_ms;
    }
    flow.claimed(1, now_ms);
    assert_eq!(flow.ready_ms(Some(0), &fairness()), None, "a single probe at a time");
    flow.returned();
    flow.attempted(&good(), now_ms, &fairness());
    assert_eq!((flow.n_openings, flow.n_failures, flow.pause), (0, 0, None));
    assert_eq!(flow.n_free(&fairness()), 2, "one, and one more for the success");
    for _ in 0..20 {
        make(&mut flow, &good(), now_ms);
    }
    assert_eq!(flow.n_free(&fairness()), 8);
}

#[test]
fn what_was_under_way_when_the_breaker_opened_does_not_open_it_wider() {
    let mut flow = Flow::new(&fairness());
    flow.claimed(8, NOW_MS);
    for _ in 0..8 {
        flow.returned();
        flow.attempted(&refused(), NOW_MS + 1, &fairness());
    }
    assert_eq!((flow.n_openings, flow.paused_until_ms), (1, NOW_MS + 5_001));
}

#[test]
fn an_answer_that_refuses_one_webhook_shows_that_the_receiver_works() {
    for (status, is_failure) in
        [(301, false), (400, false), (404, false), (410, false), (408, true), (429, true)]
    {
        let mut flow = Flow::new(&fairness());
        make(&mut flow, &attempt(Outcome::Rejected, Some(status)), NOW_MS);
        assert_eq!(flow.n_failures, u32::from(is_failure), "{status}");
    }
    let mut flow = Flow::new(&fairness());
    (0..4).for_each(|_| make(&mut flow, &attempt(Outcome::Rejected, Some(503)), NOW_MS));
    make(&mut flow, &attempt(Outcome::Rejected, Some(404)), NOW_MS);
    assert_eq!(flow.n_failures, 0);
}

#[test]
fn timeouts_halve_the_limit_and_successes_raise_it() {
    let patient = Fairness { n_failures_to_open: 100, ..fairness() };
    let mut flow = Flow::new(&patient);
    for expected in [4, 2, 1, 1] {
        flow.attempted(&attempt(Outcome::Timeout, None), NOW_MS, &patient);
        assert_eq!(flow.n_free(&patient), expected);
    }
    for expected in [2, 3, 4, 5, 6, 7, 8, 8] {
        flow.attempted(&good(), NOW_MS, &patient);
        assert_eq!(flow.n_free(&patient), expected);
    }
}

#[test]
fn a_receiver_that_asks_is_left_alone_within_reason() {
    for (asked_ms, expected_ms) in [(60_000, 60_000), (i64::MAX, 3_600_000), (-5, 0), (0, 0)] {
        let mut flow = Flow::new(&fairness());
        let asks = Attempt { retry_after_ms: Some(asked_ms), ..attempt(Outcome::Rejected, Some(429)) };
        make(&mut flow, &asks, NOW_MS);
        assert_eq!(flow.ready_ms(Some(0), &fairness()), Some(NOW_MS + expected_ms), "{asked_ms}");
        make(&mut flow, &good(), NOW_MS + 1);
        assert_eq!(flow.paused_until_ms.max(NOW_MS), NOW_MS + expected_ms, "a success does not overrule it");
    }
}

#[test]
fn a_clock_that_was_set_back_ends_no_pause_later_than_it_could_begin() {
    let mut flow = Flow::new(&fairness());
    (0..5).for_each(|_| make(&mut flow, &refused(), NOW_MS));
    let before_ms = NOW_MS - 86_400_000;
    flow.clock_went_back(before_ms, &fairness());
    assert_eq!(flow.ready_ms(Some(0), &fairness()), Some(before_ms + 3_600_000));
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let status = prop_oneof![Just(None), (200..600_u16).prop_map(Some)];
    (prop::sample::select(&Outcome::ALL[..]), status, any::<Option<i64>>())
        .prop_map(|(outcome, status, retry_after_ms)| Attempt { retry_after_ms, ..attempt(outcome, status) })
}

proptest! {
    #[test]
    fn a_destination_is_never_stuck_and_never_overrun(
        events in prop::collection::vec((any_attempt(), 0..400_000_i64, any::<bool>()), 1..200),
    ) {
        let fairness = fairness();
        let mut flow = Flow::new(&fairness);
        let mut now_ms = NOW_MS;
        for (attempt, wait_ms, claims) in events {
            now_ms += wait_ms;
            let ready_ms = flow.ready_ms(Some(now_ms), &fairness);
            if claims && ready_ms.is_some_and(|ready_ms| ready_ms <= now_ms) {
                let was_open = flow.n_openings > 0;
                flow.claimed(flow.n_free(&fairness), now_ms);
                prop_assert!(!was_open || flow.n_leased <= 8);
                prop_assert_eq!(flow.n_free(&fairness), 0);
            } else if flow.n_leased > 0 {
                flow.returned();
                flow.attempted(&attempt, now_ms, &fairness);
            }
            prop_assert!(flow.n_leased <= fairness.per_authority);
            prop_assert!((1..=fairness.per_authority).contains(&flow.limit));
            prop_assert!(flow.paused_until_ms <= now_ms + fairness.longest_ms());
            // Nothing under way means that something can be, once the longest pause is over.
            if flow.n_leased == 0 {
                let ready_ms = flow.ready_ms(Some(now_ms), &fairness);
                prop_assert!(ready_ms.is_some_and(|ready_ms| ready_ms <= now_ms + fairness.longest_ms()));
            }
        }
    }

    #[test]
    fn room_is_shared_in_turn(
        (n, n_retries) in (0..40_u32, 0..40_u32),
        n_free in prop::collection::vec(0..10_u32, 1..8),
        n_address_free in prop::collection::vec(0..12_u32, 1..4),
        lanes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0..20_u32), 0..12),
    ) {
        let room = Room { n, n_retries };
        // Every third destination's address is not known; the others share few.
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
        let shares = share(room, &mut left, &mut address_left, &candidates);
        let sum = |counts: &dyn Fn(&Candidate) -> bool| -> u32 {
            candidates.iter().zip(&shares).filter(|(candidate, _)| counts(candidate)).map(|(_, n)| n).sum()
        };
        let (total, total_retries) = (sum(&|_| true), sum(&|candidate| candidate.lane == Lane::Retry));
        prop_assert!(total <= n && total_retries <= n_retries);
        for (at, free) in n_free.iter().enumerate() {
            prop_assert_eq!(sum(&|candidate| candidate.destination == at) + left[at], *free);
        }
        for (at, free) in n_address_free.iter().enumerate() {
            prop_assert_eq!(sum(&|candidate| candidate.address == Some(at)) + address_left[at], *free);
        }
        for (candidate, share) in candidates.iter().zip(&shares) {
            prop_assert!(*share <= candidate.n_waiting);
            let fits = *share < candidate.n_waiting
                && left[candidate.destination] > 0
                && candidate.address.is_none_or(|address| address_left[address] > 0);
            let has_room = total < n && (candidate.lane == Lane::First || total_retries < n_retries);
            prop_assert!(!fits || !has_room, "room was left");
            // Nobody gets two more than one of the same lane who could have had another.
            let of_lane = candidates.iter().zip(&shares).filter(|(other, _)| other.lane == candidate.lane);
            for (_, others) in of_lane {
                prop_assert!(!fits || *others <= *share + 1);
            }
        }
    }
}
