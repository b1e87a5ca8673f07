//! Tests of the ledger through its public interface. `conformance` is one suite for every database. The other
//! modules test one database, or a part without a database.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod conformance;
mod due_signal;
mod durability;
mod faults;
mod fixture;
mod group_commit;
mod migrations;
mod model;
mod schedule;
mod sqlite;
