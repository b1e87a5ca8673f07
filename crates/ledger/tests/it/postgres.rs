//! Runs the conformance suite of the ledger on PostgreSQL.

use pixaven_ledger::Store;
use pixaven_testkit::postgres::new_database;

use crate::fixture::Fixture;

/// Opens a new ledger on PostgreSQL, or returns `None` if this machine has no PostgreSQL.
pub(crate) async fn fresh() -> Option<Fixture> {
    let url = tokio::task::spawn_blocking(new_database).await.unwrap()?;
    Some(Fixture::open(Store::Postgres { url }, ()).await)
}

crate::conformance::suite!(fresh);
