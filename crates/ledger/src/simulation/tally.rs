//! Counts of the situations that occurred in a simulation.

use std::ops::AddAssign;

/// Counts how often each situation occurred in a simulation. A test checks that each situation occurred often
/// enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) n_delivered: u64,
    pub(super) n_failed: u64,
    pub(super) n_attempts: u64,
    pub(super) n_crashes: u64,
    pub(super) n_clock_jumps: u64,
    pub(super) n_late_reports: u64,
    pub(super) n_paused: u64,
    pub(super) n_saturated: u64,
    pub(super) n_full_addresses: u64,
    pub(super) n_held_back: u64,
    pub(super) n_last_chances: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.n_delivered += other.n_delivered;
        self.n_failed += other.n_failed;
        self.n_attempts += other.n_attempts;
        self.n_crashes += other.n_crashes;
        self.n_clock_jumps += other.n_clock_jumps;
        self.n_late_reports += other.n_late_reports;
        self.n_paused += other.n_paused;
        self.n_saturated += other.n_saturated;
        self.n_full_addresses += other.n_full_addresses;
        self.n_held_back += other.n_held_back;
        self.n_last_chances += other.n_last_chances;
    }
}
