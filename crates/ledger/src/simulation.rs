//! Weeks of deliveries in a moment: the real statements on a database in memory, a clock that jumps, receivers that fail in
//! every way, crashes, late results and users who interfere. All of it follows from a seed, which a failure prints.
//!
//! The part of the driver is played here as the server plays it: an attempt ends as its receiver is at the time, and the
//! schedule says when the next one is due.

mod checks;
mod dice;
mod receiver;
mod users;
mod world;

use world::{Tally, World};

/// Simulated weeks in one run of the tests.
const N_WEEKS: u64 = 1_000;
/// Weeks in one world.
const WEEKS_PER_WORLD: u64 = 4;

/// Says which world failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the simulation with seed {} failed; run it alone with `World::run({0}, …)`", self.0);
        }
    }
}

/// Every world from `first` on that `step` reaches.
fn every(first: u64, step: usize) -> Tally {
    let mut total = Tally::default();
    for seed in (first..N_WEEKS / WEEKS_PER_WORLD).step_by(step) {
        let _seed = Seed(seed);
        total += World::run(seed, WEEKS_PER_WORLD);
    }
    total
}

#[test]
fn a_thousand_weeks_lose_nothing_and_hurt_nobody() {
    let total = std::thread::scope(|scope| {
        let other = scope.spawn(|| every(1, 2));
        let mut total = every(0, 2);
        total += other.join().expect("no world of the other half failed");
        total
    });
    // What never happens proves nothing.
    assert!(total.n_delivered > 1_000 && total.n_failed > 500, "{total:?}");
    assert!(total.n_crashes > 100 && total.n_jumps > 100 && total.n_late > 100, "{total:?}");
    assert!(total.n_paused > 100 && total.n_saturated > 100 && total.n_crowded > 0, "{total:?}");
}

#[test]
fn a_seed_says_everything() {
    assert_eq!(World::run(7, 1), World::run(7, 1));
}
