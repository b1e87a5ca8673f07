//! Tests the plans that PostgreSQL makes for the SQL statements of the ledger: no statement may read all rows of a
//! table that grows. The plans are generic, as in the transactions of the writing thread.

use pixaven_testkit::postgres::new_database;

use super::test_database::TestDatabase;
use crate::sql::all_statements;

/// Fills the tables that grow, so that reading all of their rows would cost more than an index.
const FILL: &str = "
    INSERT INTO accounts (id, name, created_ms) VALUES (1, 'default', 0);
    INSERT INTO counters (account) VALUES (1);
    INSERT INTO requests (seq, id, account, created_ms, webhook_delay_ms, webhook_retry, webhook_authority,
                          webhook_url, webhook_headers, spec)
        SELECT n, gen_random_uuid(), 1, n, 0, 1, 'a:443', 'https://a/', '', '' FROM generate_series(1, 20000) n;
    INSERT INTO jobs (seq, account, due_ms, fence, n_crashes) SELECT seq, 1, seq, 0, 0 FROM requests;
    INSERT INTO payloads (seq, finished_ms, payload) SELECT seq, seq, '{}' FROM requests;
    INSERT INTO webhooks (seq, account, created_ms, status, host)
        SELECT seq, 1, seq, 'scheduled', 'a' || seq % 50 FROM requests;
    INSERT INTO destinations (seq, account, authority, concurrency_limit, address, first_due_ms, first_ready_ms)
        SELECT n, 1, 'a' || n || ':443', 8, '192.0.2.' || n % 200, n, n FROM generate_series(1, 20000) n;
    INSERT INTO webhook_queue (seq, account, destination, lane, path, due_ms, due_reason, expires_ms, fence, attempt,
                               n_counted_attempts)
        SELECT seq, 1, seq % 100, seq % 2, seq % 7, seq, 'delay', seq + 1000000, 0, 0, 0 FROM requests;
    INSERT INTO attempts (seq, number, fence, started_ms) SELECT seq, 1, 1, seq FROM requests;
    INSERT INTO results (id, account, name, media_type, bytes, sha1, created_ms, expires_ms, content)
        SELECT id, 1, 'a.jpg', 'image/jpeg', 1, '', seq, seq, 'x' FROM requests;
    INSERT INTO inputs (seq, content) SELECT seq, 'x' FROM requests;
    INSERT INTO idempotency (account, key, sha256, request, created_ms)
        SELECT 1, id::text, decode(repeat('00', 32), 'hex'), id, seq FROM requests;
    INSERT INTO bulk_resends (account, created_ms, statuses, start_ms, before_ms, before_seq, end_ms, n_matched,
                              ended_ms)
        SELECT 1, n, '', 0, 0, 0, 0, 0, n FROM generate_series(1, 20000) n;
    INSERT INTO watermarks (id, account, name, format, width, height, bytes, sha1, created_ms, removed_ms)
        SELECT n::text, n, '', '', 1, 1, 1, '', n, CASE WHEN n % 2 = 0 THEN n END FROM generate_series(1, 20000) n;
    ANALYZE";

/// Tables that have few rows, because operators add their rows by hand, or because each row stands for a node.
const SMALL_TABLES: [&str; 8] =
    ["accounts", "api_keys", "counters", "heartbeat", "nodes", "turns", "webhook_secrets", "writers"];

/// Returns the names of the tables of which a plan reads all rows.
fn scanned(plan: &str) -> Vec<&str> {
    let names = plan.lines().filter_map(|line| line.split_once("Seq Scan on ")?.1.split(' ').next());
    names.filter(|name| !SMALL_TABLES.contains(name)).collect()
}

#[test]
fn postgresql_reads_no_growing_table_completely_for_a_statement_of_the_ledger() {
    let Some(url) = new_database() else { return };
    let mut database = TestDatabase::new(&url);
    database.run(FILL);
    let mut offenders = Vec::new();
    for (number, statement) in all_statements().into_iter().enumerate() {
        let sql = statement.postgres();
        // The types of arrays cannot be inferred; these statements find their rows by their keys. Nodes that share a
        // ledger do not call `recover`, which looks for unfinished idempotent requests.
        if sql.contains("unnest(") || sql.contains("i.answer IS NULL AND r.seq IS NULL") {
            continue;
        }
        let n_parameters = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
        let parameters = if n_parameters == 0 {
            String::new()
        } else {
            format!("({})", vec!["NULL"; n_parameters].join(", "))
        };
        let plan = database.lines(&format!(
            "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL max_parallel_workers_per_gather = 0;
             PREPARE s{number} AS {sql}; EXPLAIN EXECUTE s{number}{parameters}"
        ));
        let scanned = scanned(&plan);
        if !scanned.is_empty() {
            offenders.push(format!("{} reads {scanned:?}:\n{plan}", statement.name));
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}
