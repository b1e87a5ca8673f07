//! Simulates weeks of deliveries in seconds. The ledger's SQL statements run on a database in memory. The
//! simulated clock jumps forwards and backwards, receivers fail in different ways, the server crashes,
//! attempts are reported late, and users resend and cancel webhooks. A seed determines the whole run, and a
//! failing run prints its seed.
//!
//! The simulation replaces the server: it claims webhooks, ends their attempts and reports the results. The
//! receiver's condition at the start of an attempt decides how the attempt ends, and the retry schedule gives
//! the next due time.

mod checks;
mod database;
mod receiver;
mod rng;
mod tally;
mod users;
mod world;

use database::Database;
use pixaven_testkit::postgres::new_database;
use tally::Tally;
use world::World;

use crate::sql::postgres::TestDatabase;

/// The number of simulated weeks of one test run, summed over all worlds. A world is one simulation with its
/// own seed.
const N_WEEKS: u64 = 1_000;
/// The number of simulated weeks of one world. A world is one simulation with its own seed.
const WEEKS_PER_WORLD: u64 = 4;

/// Prints the seed of a simulation when the test panics.
struct SeedReport(u64);

impl Drop for SeedReport {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the simulation with seed {} failed; run it alone with `World::run({0}, …)`", self.0);
        }
    }
}

/// Runs the simulations with the seeds `first`, `first + step`, `first + 2 * step` and so on, up to the
/// number of worlds.
fn run_worlds(first: u64, step: usize) -> Tally {
    let mut total = Tally::default();
    for seed in (first..N_WEEKS / WEEKS_PER_WORLD).step_by(step) {
        let _report = SeedReport(seed);
        total += World::run(Database::in_memory(), seed, WEEKS_PER_WORLD);
    }
    total
}

#[test]
fn in_a_thousand_simulated_weeks_no_webhook_is_lost_and_no_delivery_limit_is_exceeded() {
    let total = std::thread::scope(|scope| {
        let odd = scope.spawn(|| run_worlds(1, 2));
        let mut total = run_worlds(0, 2);
        total += odd.join().expect("every world with an odd seed succeeds");
        total
    });
    // Each counted situation must have occurred often enough. A run without these situations would not test
    // the code that handles them.
    assert!(total.n_delivered > 1_000 && total.n_failed > 500, "{total:?}");
    assert!(total.n_crashes > 100 && total.n_clock_jumps > 100 && total.n_late_reports > 100, "{total:?}");
    assert!(total.n_held_back > 5 && total.n_last_chances > 10, "{total:?}");
    assert!(total.n_paused > 100 && total.n_saturated > 100 && total.n_full_addresses > 0, "{total:?}");
}

#[test]
fn two_simulations_with_the_same_seed_give_the_same_counts_of_events() {
    assert_eq!(World::run(Database::in_memory(), 7, 1), World::run(Database::in_memory(), 7, 1));
}

/// The number of simulated weeks on PostgreSQL, where each operation costs many round trips.
const N_POSTGRES_WEEKS: u64 = 8;

#[test]
fn postgresql_gives_the_same_counts_of_events_as_sqlite_in_simulated_weeks() {
    for seed in 0..N_POSTGRES_WEEKS / WEEKS_PER_WORLD {
        let Some(url) = new_database() else { return };
        let _report = SeedReport(seed);
        let postgres = Database::Postgres(Box::new(TestDatabase::new(&url)));
        let expected = World::run(Database::in_memory(), seed, WEEKS_PER_WORLD);
        assert_eq!(World::run(postgres, seed, WEEKS_PER_WORLD), expected);
    }
}
