//! Tests the concurrency limit with simulated receivers. Each step of a simulation is one answer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// A receiver that works on `n_workers` webhooks at the same time, each for `service_ms`. Further webhooks wait
/// in the order in which they arrive.
struct SimulatedReceiver {
    n_workers: usize,
    service_ms: i64,
}

/// The result of a simulation in which another webhook always waits to be sent.
struct Run {
    state: Concurrency,
    n_answers: u32,
    longest_ms: i64,
}

fn limits() -> DeliveryLimits {
    DeliveryLimits::default()
}

impl SimulatedReceiver {
    /// Sends webhooks for `duration_ms`, as many at the same time as the limit allows.
    fn load(&self, state: Concurrency, start_ms: i64, duration_ms: i64) -> Run {
        let mut run = Run { state, n_answers: 0, longest_ms: 0 };
        let mut idle_from_ms: BinaryHeap<_> = (0..self.n_workers).map(|_| Reverse(start_ms)).collect();
        let mut answers: BinaryHeap<Reverse<(i64, i64)>> = BinaryHeap::new();
        let mut now_ms = start_ms;
        while now_ms < start_ms + duration_ms {
            let n_before = u32::try_from(answers.len()).unwrap();
            while answers.len() < run.state.current(&limits()) as usize {
                let Reverse(idle_ms) = idle_from_ms.pop().unwrap();
                let ends_ms = idle_ms.max(now_ms) + self.service_ms;
                idle_from_ms.push(Reverse(ends_ms));
                answers.push(Reverse((ends_ms, now_ms)));
            }
            let n_after = u32::try_from(answers.len()).unwrap();
            if n_after > n_before {
                run.state.record_claim((n_before, n_after), 0, now_ms, &limits());
            }
            let Reverse((ends_ms, sent_ms)) = answers.pop().unwrap();
            now_ms = ends_ms;
            let latency_ms = ends_ms - sent_ms;
            run.longest_ms = run.longest_ms.max(latency_ms);
            run.n_answers += 1;
            run.state.record_accepted(u32::try_from(latency_ms).ok(), sent_ms, now_ms, &limits());
        }
        run
    }
}

fn new() -> Concurrency {
    Concurrency::new(&limits())
}

#[test]
fn the_concurrency_limit_of_a_receiver_with_1000_workers_reaches_its_maximum_in_two_seconds() {
    let receiver = SimulatedReceiver { n_workers: 1_000, service_ms: 100 };
    let run = receiver.load(new(), 0, 2_000);
    assert_eq!((run.state.limit, run.longest_ms), (256, 100));
}

#[test]
fn a_receiver_that_handles_one_webhook_at_a_time_is_kept_busy_and_never_gets_a_long_queue() {
    for (service_ms, longest_ms) in [(20, 400), (100, 1_500), (500, 6_000)] {
        let receiver = SimulatedReceiver { n_workers: 1, service_ms };
        let day_ms = 24 * 60 * 60 * 1_000;
        let run = receiver.load(new(), 0, day_ms);
        assert!(run.longest_ms <= longest_ms, "{service_ms} ms: {} ms", run.longest_ms);
        let capacity = day_ms / service_ms;
        assert!(i64::from(run.n_answers) >= capacity * 99 / 100, "{service_ms} ms: {}", run.n_answers);
    }
}

#[test]
fn a_receiver_with_sixteen_workers_is_kept_busy_with_at_most_three_times_its_idle_latency() {
    let receiver = SimulatedReceiver { n_workers: 16, service_ms: 100 };
    let warm = receiver.load(new(), 0, 60_000);
    let run = receiver.load(warm.state, 60_000, 600_000);
    assert!(run.n_answers >= 6_000 * 16 * 98 / 100, "{}", run.n_answers);
    assert!(run.longest_ms <= 300, "{} ms", run.longest_ms);
}

#[test]
fn the_concurrency_limit_does_not_grow_while_fewer_webhooks_than_the_limit_are_in_flight() {
    let mut state = new();
    for _ in 0..1_000 {
        state.record_claim((0, 1), 0, 0, &limits());
        state.record_accepted(Some(100), 0, 0, &limits());
    }
    assert_eq!(state.limit, 8);
}

#[test]
fn timeouts_of_webhooks_that_were_sent_together_halve_the_concurrency_limit_only_once() {
    let mut state = new();
    (0..8).for_each(|_| state.record_timeout(0, 10_000));
    assert_eq!(state.limit, 4);
    state.record_timeout(10_000, 20_000);
    assert_eq!(state.limit, 2);
    (0..9).for_each(|n| state.record_timeout(20_000 + n, 20_000 + n));
    assert_eq!(state.limit, 1, "the limit is never below one");
    for expected in [2, 3, 4, 5, 6, 7, 8, 8] {
        state.record_accepted(None, 40_000, 40_000, &limits());
        assert_eq!(state.limit, expected, "each delivery raises the limit by one, up to the start value");
    }
}

#[test]
fn an_answer_that_shows_an_overload_of_the_receiver_lowers_the_concurrency_limit_by_a_quarter() {
    let mut state = new();
    for (n, expected) in (0..).zip([6, 4, 3, 2, 1, 1]) {
        state.record_overload(n, n);
        assert_eq!(state.limit, expected);
    }
}

#[test]
fn the_latency_baseline_of_a_busy_destination_is_measured_again_with_one_webhook_at_a_time() {
    let receiver = SimulatedReceiver { n_workers: 1, service_ms: 20 };
    let first = receiver.load(new(), 0, 60_000).state;
    assert!(first.baseline_ms.unwrap() > 20, "the first answers came from a queue: {first:?}");
    let later = receiver.load(first, 60_000, MEASURE_EVERY_MS).state;
    assert_eq!((later.baseline_ms, later.measurement), (Some(20), None));
}

#[test]
fn a_failed_attempt_ends_the_measurement_of_the_latency_baseline_of_its_destination() {
    let mut state = Concurrency { measurement: Some(Measurement::Alone), ..new() };
    state.record_timeout(0, 10_000);
    assert_eq!((state.measurement, state.current(&limits())), (None, 4));
}

#[test]
fn after_ten_idle_minutes_a_destination_loses_its_latency_baseline_and_its_raised_concurrency_limit() {
    let receiver = SimulatedReceiver { n_workers: 1_000, service_ms: 100 };
    let mut state = receiver.load(new(), 0, 2_000).state;
    state.record_claim((0, 8), MEASURE_EVERY_MS, MEASURE_EVERY_MS, &limits());
    assert_eq!((state.limit, state.baseline_ms), (8, None));
    let mut slow = Concurrency { limit: 2, ..state };
    slow.record_claim((0, 2), MEASURE_EVERY_MS, MEASURE_EVERY_MS, &limits());
    assert_eq!(slow.limit, 2, "a lower limit is kept");
}
