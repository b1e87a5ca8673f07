//! Tests the query plans that SQLite makes for the SQL statements of the ledger: no statement may scan a
//! table that grows.

use rusqlite::Connection;

use super::connection::{Role, create, open};
use super::migrate::migrate;
use crate::sql::all_statements;

/// Tables that have few rows, because operators add their rows by hand, or because each row stands for a node.
const SMALL_TABLES: [&str; 4] = ["accounts", "api_keys", "nodes", "webhook_secrets"];

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for number in 1..=explain.parameter_count() {
        explain.raw_bind_parameter(number, 1).unwrap();
    }
    let mut rows = explain.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get(3).unwrap());
    }
    steps
}

/// Returns whether the run time of a statement can grow with the size of a table. Three kinds of scans are
/// allowed: scans of a small table, scans of a subquery with a `LIMIT`, and scans of an index that stop at
/// the first row.
fn grows(steps: &[String], sql: &str) -> bool {
    let scanned = steps.iter().filter_map(|step| step.strip_prefix("SCAN "));
    let scanned: Vec<_> = scanned.filter(|scan| *scan != "CONSTANT ROW").collect();
    let is_small = |scan: &&str| SMALL_TABLES.contains(&scan.split(' ').next().unwrap_or_default());
    let stops_at_first = |scan: &&str| scan.contains(" USING ") && sql.ends_with("LIMIT 1");
    let sorts = steps.iter().any(|step| step.starts_with("USE TEMP B-TREE"));
    let scans_all = scanned.iter().any(|scan| !is_small(scan) && !stops_at_first(scan) && *scan != "counted");
    scans_all || (sorts && !scanned.iter().any(is_small))
}

#[test]
fn no_sql_statement_of_the_ledger_reads_all_rows_of_a_growing_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    create(&path).unwrap();
    let mut connection = open(&path, Role::Writer).unwrap();
    migrate(&mut connection, &path).unwrap();
    let mut offenders = Vec::new();
    for statement in all_statements() {
        let sql = statement.sqlite();
        let steps = plan(&connection, sql);
        if grows(&steps, sql) {
            offenders.push(format!("{}: {steps:#?}", statement.name));
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}
