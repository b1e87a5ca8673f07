//! Simulates weeks of deliveries in seconds: the real statements on a database in memory, a clock that jumps,
//! receivers that fail in every way, crashes, late reports, and users who interfere. A seed determines the
//! whole run, and a failing run prints its seed.
//!
//! The simulation plays the part of the driver as the server does: the receiver's condition at the start of
//! an attempt decides how the attempt ends, and the retry schedule gives the next due time.

mod checks;
mod receiver;
mod rng;
mod users;
mod world;

use world::{Tally, World};

/// The simulated weeks of one test run.
const N_WEEKS: u64 = 1_000;
/// The weeks in one world.
const WEEKS_PER_WORLD: u64 = 4;

/// Prints the seed of a world when the test panics.
struct SeedReport(u64);

impl Drop for SeedReport {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the simulation with seed {} failed; run it alone with `World::run({0}, …)`", self.0);
        }
    }
}

/// Runs every `step`-th world, starting with seed `first`.
fn run_worlds(first: u64, step: usize) -> Tally {
    let mut total = Tally::default();
    for seed in (first..N_WEEKS / WEEKS_PER_WORLD).step_by(step) {
        let _report = SeedReport(seed);
        total += World::run(seed, WEEKS_PER_WORLD);
    }
    total
}

#[test]
fn a_thousand_weeks_lose_no_webhook_and_exceed_no_limit() {
    let total = std::thread::scope(|scope| {
        let odd = scope.spawn(|| run_worlds(1, 2));
        let mut total = run_worlds(0, 2);
        total += odd.join().expect("every world with an odd seed succeeds");
        total
    });
    // The run proves something only if the difficult situations have occurred.
    assert!(total.n_delivered > 1_000 && total.n_failed > 500, "{total:?}");
    assert!(total.n_crashes > 100 && total.n_clock_jumps > 100 && total.n_late_reports > 100, "{total:?}");
    assert!(total.n_paused > 100 && total.n_saturated > 100 && total.n_full_addresses > 0, "{total:?}");
}

#[test]
fn two_runs_with_the_same_seed_are_equal() {
    assert_eq!(World::run(7, 1), World::run(7, 1));
}
