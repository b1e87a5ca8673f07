//! The ledger through its face. `conformance` is one suite for every database; the other modules are about what
//! a single database or a pure part promises.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod durability;
mod faults;
mod fixture;
mod group_commit;
mod migrations;
mod model;
mod schedule;
mod sqlite;
mod wake;
