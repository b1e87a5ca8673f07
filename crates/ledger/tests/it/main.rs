//! Tests of the ledger through its public interface. The module `conformance` is the suite that every
//! database must pass. Each other module tests one database, or code that needs no database.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod backup;
mod check;
mod conformance;
mod copy;
mod due_signal;
mod durability;
mod faults;
mod fixture;
mod group_commit;
mod migrations;
mod model;
mod postgres;
mod postgres_faults;
mod postgres_nodes;
mod power_cut;
mod schedule;
mod sqlite;
mod worked;
