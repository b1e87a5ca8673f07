//! Migrates the schema of a PostgreSQL database to the newest version. Migrations run in the order of their
//! numbers, and a migration never changes after a release.
//!
//! During a deployment, nodes of the previous version work beside nodes of the new version. A migration
//! therefore only adds to the schema. A migration that earlier versions cannot work with says so in
//! [`Migration::is_compatible`], and earlier versions then refuse to open the database.

use super::link::Link;
use crate::error::Error;

/// The advisory lock that a process holds while it migrates the schema.
const BEGIN: &str = "BEGIN; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '20s'; SELECT pg_advisory_xact_lock(1347966542, 0)";

struct Migration {
    sql: &'static str,
    /// Whether a program that does not know this migration can work with the migrated database.
    is_compatible: bool,
}

/// The migrations in order. Migration number `n` is element `n - 1`.
const MIGRATIONS: &[Migration] =
    &[Migration { sql: include_str!("../../../migrations/postgres/0001_ledger.sql"), is_compatible: false }];

/// Runs all migrations that were not yet applied to the database, in one transaction.
pub(super) fn migrate(link: &mut Link) -> Result<(), Error> {
    let versions = link.transact(BEGIN, |transaction, _| {
        transaction.run(
            "CREATE TABLE IF NOT EXISTS schema_version (
                 id              BIGINT PRIMARY KEY CHECK (id = 1),
                 version         BIGINT NOT NULL,
                 compatible_from BIGINT NOT NULL
             );
             INSERT INTO schema_version (id, version, compatible_from) VALUES (1, 0, 0)
             ON CONFLICT (id) DO NOTHING",
        )?;
        let version = number(transaction.value("SELECT version FROM schema_version")?);
        let compatible_from = number(transaction.value("SELECT compatible_from FROM schema_version")?);
        let n_applied = usize::try_from(version).unwrap_or(0).min(MIGRATIONS.len());
        for migration in &MIGRATIONS[n_applied..] {
            transaction.run(migration.sql)?;
        }
        if n_applied < MIGRATIONS.len() {
            let (version, compatible_from) = (MIGRATIONS.len(), oldest_compatible(MIGRATIONS));
            transaction.run(&format!(
                "UPDATE schema_version SET version = {version}, compatible_from = {compatible_from}"
            ))?;
        }
        // The rows of processes that ended long ago.
        transaction.run(
            "DELETE FROM writers
             WHERE at_ms < extract(epoch FROM clock_timestamp()) * 1000 - 7 * 24 * 60 * 60 * 1000.0",
        )?;
        transaction.run("COMMIT")?;
        Ok((version, compatible_from))
    });
    let (found, compatible_from) = versions.map_err(Error::from)?;
    let known = MIGRATIONS.len() as i64;
    if compatible_from > known { Err(Error::TooNew { found, known }) } else { Ok(()) }
}

/// Returns the number of the newest migration.
pub(super) fn newest_version() -> i64 {
    MIGRATIONS.len() as i64
}

/// Returns the number of the newest migration that earlier programs cannot work with.
fn oldest_compatible(migrations: &[Migration]) -> usize {
    migrations.iter().rposition(|migration| !migration.is_compatible).map_or(0, |index| index + 1)
}

fn number(value: Option<String>) -> i64 {
    value.and_then(|value| value.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Migration, oldest_compatible};

    #[test]
    fn a_program_can_work_with_all_migrations_after_the_last_incompatible_one() {
        let migrations = |compatible: &[bool]| -> Vec<Migration> {
            compatible
                .iter()
                .map(|is_compatible| Migration { sql: "", is_compatible: *is_compatible })
                .collect()
        };
        assert_eq!(oldest_compatible(&migrations(&[])), 0);
        assert_eq!(oldest_compatible(&migrations(&[false, true, true])), 1);
        assert_eq!(oldest_compatible(&migrations(&[false, true, false, true])), 3);
    }
}
