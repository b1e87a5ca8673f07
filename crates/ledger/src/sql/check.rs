//! Checks the rules that the rows of a ledger follow. The module `rules` lists them.

mod rules;

use uuid::Uuid;

use super::postgres::BulkConnection;
use super::snapshot::Snapshot;
use super::sql_value::SqlValue;
use super::sqlite::SqliteSnapshot;
use crate::check::Violation;
use crate::error::Error;
use crate::ledger::Store;
use rules::{RULES, Rule};

/// See [`check_ledger`](crate::check_ledger).
pub(crate) fn check(store: Store, on_violation: &mut dyn FnMut(Violation)) -> Result<u64, Error> {
    match store {
        Store::Sqlite { path } => check_snapshot(&mut SqliteSnapshot::open(&path)?, on_violation),
        Store::Postgres { url } => check_snapshot(&mut BulkConnection::open_snapshot(&url)?, on_violation),
    }
}

fn check_snapshot(
    snapshot: &mut impl Snapshot,
    on_violation: &mut dyn FnMut(Violation),
) -> Result<u64, Error> {
    let mut n_violations = 0;
    let mut report = |text| {
        n_violations += 1;
        on_violation(Violation { text });
    };
    for fault in snapshot.faults_of_files()? {
        report(format!("the file of the database is damaged: {fault}"));
    }
    for rule in RULES {
        snapshot.query(rule.sql, |row| {
            report(rule.violation(row));
            Ok::<_, Error>(())
        })?;
    }
    Ok(n_violations)
}

impl Rule {
    /// Puts the values of a row into the text of the rule.
    fn violation(&self, row: &[SqlValue<'_>]) -> String {
        let mut parts = self.text.split("{}");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (value, part) in row.iter().zip(parts) {
            text.push_str(&shown(value));
            text.push_str(part);
        }
        text
    }
}

fn shown(value: &SqlValue<'_>) -> String {
    match value {
        SqlValue::Null(_) => "none".to_owned(),
        SqlValue::Int(number) => number.to_string(),
        SqlValue::Text(text) => (*text).to_owned(),
        SqlValue::Uuid(id) => id.to_string(),
        // SQLite stores UUIDs as bytes.
        SqlValue::Bytes(bytes) => {
            Uuid::from_slice(bytes).map_or_else(|_| format!("{} bytes", bytes.len()), |id| id.to_string())
        }
    }
}
