//! Tests of the schedule with a clock that only the test moves.

use proptest::prelude::*;

use super::*;
use crate::work::Caller::{Interactive, Job};

/// A schedule and its clock.
struct Simulation {
    schedule: Schedule,
    now: Instant,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Simulation {
    fn new(n_ordinary: usize, n_express: usize) -> Self {
        Self { schedule: Schedule::new(n_ordinary, n_express), now: Instant::now() }
    }

    fn wait(&mut self, caller: Caller, expected: Duration) -> TicketId {
        let id = self.schedule.arrive(caller, expected, self.now);
        self.schedule.wait(id, expected);
        id
    }

    fn start(&mut self) -> Option<TicketId> {
        self.schedule.start_next(self.now).map(|start| start.id)
    }

    /// Ends every running image and starts images one after the other, on one worker, until none waits.
    /// Returns the order.
    fn run_all(&mut self) -> Vec<TicketId> {
        std::iter::from_fn(|| {
            let id = self.start()?;
            self.schedule.leave(id);
            Some(id)
        })
        .collect()
    }

    fn expected_wait(&self, expected: Duration) -> Duration {
        self.schedule.expected_wait(expected, None, self.now)
    }
}

#[test]
fn of_all_images_in_the_worker_queue_the_image_with_the_shortest_expected_time_starts_first() {
    let mut simulation = Simulation::new(1, 0);
    let [long, short, middle] = [5_000, 20, 900].map(|expected| simulation.wait(Interactive, ms(expected)));
    assert_eq!(simulation.run_all(), [short, middle, long]);
}

#[test]
fn images_with_the_same_expected_time_start_in_the_order_of_their_arrival() {
    let mut simulation = Simulation::new(1, 0);
    let all: Vec<_> = (0..5).map(|_| simulation.wait(Interactive, ms(20))).collect();
    assert_eq!(simulation.run_all(), all);
}

#[test]
fn a_heavy_image_that_has_waited_as_long_as_its_expected_time_starts_before_a_new_light_image() {
    let mut simulation = Simulation::new(1, 0);
    let heavy = simulation.wait(Interactive, ms(5_000));
    simulation.now += ms(4_900);
    let light = simulation.wait(Interactive, ms(20));
    assert_eq!(simulation.start(), Some(light));
    simulation.schedule.leave(light);
    simulation.now += ms(200);
    let _next = simulation.wait(Interactive, ms(20));
    assert_eq!(simulation.start(), Some(heavy));
}

#[test]
fn an_express_worker_takes_only_light_images_of_interactive_requests() {
    let mut simulation = Simulation::new(1, 1);
    let heavy = simulation.wait(Interactive, ms(2_000));
    let start = simulation.schedule.start_next(simulation.now);
    assert_eq!(start, Some(Start { id: heavy, place: Place::Ordinary, is_heavy: true }));
    simulation.wait(Interactive, ms(101));
    simulation.wait(Job, ms(5));
    assert_eq!(simulation.start(), None, "a heavy image and a job wait for the ordinary worker");
    let light = simulation.wait(Interactive, ms(100));
    let start = simulation.schedule.start_next(simulation.now);
    assert_eq!(start, Some(Start { id: light, place: Place::Express, is_heavy: false }));
}

#[test]
fn light_images_also_start_on_ordinary_workers_while_the_express_worker_is_busy() {
    let mut simulation = Simulation::new(2, 1);
    for _ in 0..4 {
        simulation.wait(Interactive, ms(20));
    }
    let started: Vec<_> = std::iter::from_fn(|| simulation.schedule.start_next(simulation.now)).collect();
    let places: Vec<_> = started.iter().map(|start| start.place).collect();
    assert_eq!(places, [Place::Express, Place::Ordinary, Place::Ordinary]);
}

#[test]
fn jobs_get_a_quarter_of_the_processing_time_of_the_workers_while_interactive_requests_wait() {
    let mut simulation = Simulation::new(1, 0);
    let jobs: Vec<_> = (0..100).map(|_| simulation.wait(Job, ms(500))).collect();
    // The jobs do not start before the interactive requests, however long the jobs have waited.
    simulation.now += ms(600_000);
    for _ in 0..100 {
        simulation.wait(Interactive, ms(500));
    }
    let first = &simulation.run_all()[..40];
    assert_eq!(first.iter().filter(|id| jobs.contains(id)).count(), 10);
}

#[test]
fn jobs_use_all_ordinary_workers_if_no_interactive_request_waits() {
    let mut simulation = Simulation::new(2, 1);
    let [first, second, _third] = [0; 3].map(|_| simulation.wait(Job, ms(500)));
    assert_eq!([(); 3].map(|()| simulation.start()), [Some(first), Some(second), None]);
}

#[test]
fn an_image_that_takes_too_long_leaves_the_express_worker_for_an_ordinary_worker_or_the_queue() {
    let mut simulation = Simulation::new(1, 1);
    let lying = simulation.wait(Interactive, ms(10));
    assert_eq!(simulation.schedule.start_next(simulation.now).unwrap().place, Place::Express);
    assert_eq!(simulation.schedule.overrun(lying), AfterOverrun::Continues, "the ordinary worker is free");
    let second = simulation.wait(Interactive, ms(10));
    assert_eq!(simulation.start(), Some(second), "the express place is free again");
    assert_eq!(simulation.schedule.overrun(second), AfterOverrun::WaitsAgain);
    let light = simulation.wait(Interactive, ms(10));
    assert_eq!(simulation.start(), Some(light));
    assert_eq!(simulation.start(), None, "the image that waits again is heavy");
    simulation.schedule.leave(lying);
    let again = simulation.schedule.start_next(simulation.now);
    assert_eq!(again, Some(Start { id: second, place: Place::Ordinary, is_heavy: true }));
}

#[test]
fn the_expected_wait_of_a_new_image_covers_the_running_images_and_the_images_that_start_before_it() {
    let mut simulation = Simulation::new(2, 1);
    assert_eq!(simulation.expected_wait(ms(1_000)), ms(0));
    for _ in 0..2 {
        simulation.wait(Interactive, ms(4_000));
        simulation.start();
    }
    assert_eq!(simulation.expected_wait(ms(1_000)), ms(4_000), "both ordinary workers run heavy images");
    assert_eq!(simulation.expected_wait(ms(100)), ms(0), "the express worker is free");
    simulation.now += ms(1_000);
    assert_eq!(simulation.expected_wait(ms(1_000)), ms(3_000));
    simulation.wait(Interactive, ms(800));
    simulation.wait(Interactive, ms(800));
    assert_eq!(simulation.expected_wait(ms(1_000)), ms(3_800), "two images are shorter");
    assert_eq!(simulation.expected_wait(ms(700)), ms(3_000), "no waiting image is shorter");
    simulation.now += ms(4_000);
    let remaining = ms(5_000);
    assert_eq!(simulation.expected_wait(ms(0)), ms(0));
    assert_eq!(simulation.expected_wait(ms(9_000)), remaining + ms(800), "an image runs as long again");
}

#[test]
fn waiting_jobs_lengthen_the_expected_wait_of_an_interactive_request_only_by_their_share_of_a_quarter() {
    let mut simulation = Simulation::new(1, 0);
    for _ in 0..1_000 {
        simulation.wait(Job, ms(10_000));
    }
    simulation.now += ms(1_000_000);
    simulation.wait(Interactive, ms(3_000));
    assert_eq!(simulation.expected_wait(ms(3_000)), ms(4_000));
}

#[test]
fn images_that_still_arrive_add_to_the_expected_wait_by_the_share_of_images_that_needed_a_worker() {
    let mut simulation = Simulation::new(1, 0);
    for _ in 0..100 {
        simulation.schedule.arrive(Interactive, ms(100), simulation.now);
    }
    assert_eq!(simulation.expected_wait(ms(100)), ms(10_000));
    assert!((simulation.schedule.queue_length() - 99.0).abs() < 1e-9);
    // Requests with a webhook leave the schedule without waiting for a worker.
    for _ in 0..100 {
        let id = simulation.schedule.arrive(Interactive, ms(100), simulation.now);
        simulation.schedule.leave(id);
    }
    assert!(simulation.expected_wait(ms(100)) < ms(100));
    assert!(simulation.schedule.queue_length() < 1.0);
}

proptest! {
    /// Whatever arrives, no more images run than there are workers, heavy images and jobs run only on ordinary
    /// workers, and every image starts once the workers are free.
    #[test]
    fn every_waiting_image_starts_at_some_time_and_no_worker_runs_two_images_at_once(
        n_ordinary in 1usize..4,
        n_express in 0usize..3,
        arrivals in prop::collection::vec((any::<bool>(), 0u64..5_000, 0u64..2_000), 1..60),
    ) {
        let mut simulation = Simulation::new(n_ordinary, n_express);
        let mut running: Vec<(Instant, Start)> = Vec::new();
        let mut n_started = 0;
        let end = arrivals.iter().map(|&(_, expected_ms, pause_ms)| expected_ms + pause_ms).sum::<u64>();
        let n_arrivals = arrivals.len();
        let mut arrivals = arrivals.into_iter();
        let limit = simulation.now + ms(end + 10_000);
        while simulation.now < limit {
            if let Some((is_job, expected_ms, pause_ms)) = arrivals.next() {
                simulation.wait(if is_job { Job } else { Interactive }, ms(expected_ms));
                simulation.now += ms(pause_ms);
            } else {
                simulation.now += ms(500);
            }
            running.retain(|&(end, start)| {
                let is_over = end <= simulation.now;
                if is_over {
                    simulation.schedule.leave(start.id);
                }
                !is_over
            });
            while let Some(start) = simulation.schedule.start_next(simulation.now) {
                n_started += 1;
                let image = &simulation.schedule.images[&start.id];
                prop_assert!(start.place == Place::Ordinary || (image.is_light() && image.caller == Interactive));
                running.push((simulation.now + image.expected, start));
            }
            let n_at = |place| running.iter().filter(|(_, start)| start.place == place).count();
            prop_assert!(n_at(Place::Ordinary) <= n_ordinary && n_at(Place::Express) <= n_express);
            prop_assert_eq!(simulation.schedule.n_running(), running.len());
        }
        prop_assert_eq!(n_started, n_arrivals);
    }
}
