//! Runs the conformance suite of the ledger on SQLite.

use crate::fixture::{Fixture, sqlite};

pub(crate) async fn fresh() -> Option<Fixture> {
    let directory = tempfile::tempdir().unwrap();
    Some(Fixture::open(sqlite(directory.path()), directory).await)
}

crate::conformance::suite!(fresh);
