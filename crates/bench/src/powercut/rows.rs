//! Reads the rows of the ledger that belong to requests and results.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row};
use uuid::Uuid;

/// The rows of the ledger that belong to requests and results.
pub(super) struct Rows {
    pub(super) requests: HashMap<Uuid, RequestRow>,
    pub(super) results: HashMap<Uuid, ResultRow>,
    pub(super) idempotency: HashMap<String, Uuid>,
    pub(super) n_keys: u32,
}

pub(super) struct RequestRow {
    pub(super) input_bytes: Option<u32>,
    pub(super) input_key: Option<String>,
    pub(super) input_content: Option<Vec<u8>>,
    pub(super) has_job: bool,
    pub(super) payload: Option<String>,
    pub(super) is_queued: bool,
    pub(super) status: Option<String>,
}

pub(super) struct ResultRow {
    pub(super) bytes: u32,
    pub(super) sha1: String,
    pub(super) is_expired: bool,
    pub(super) blob_key: Option<String>,
    pub(super) content: Option<Vec<u8>>,
}

impl Rows {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let requests = "SELECT r.id, r.input_bytes, r.input_key, i.content, j.seq IS NOT NULL, p.payload,
                q.seq IS NOT NULL, w.status
            FROM requests r LEFT JOIN inputs i USING (seq) LEFT JOIN jobs j USING (seq)
            LEFT JOIN payloads p USING (seq) LEFT JOIN webhook_queue q USING (seq)
            LEFT JOIN webhooks w USING (seq)";
        let request = |row: &Row<'_>| {
            Ok(RequestRow {
                input_bytes: row.get(1)?,
                input_key: row.get(2)?,
                input_content: row.get(3)?,
                has_job: row.get(4)?,
                payload: row.get(5)?,
                is_queued: row.get(6)?,
                status: row.get(7)?,
            })
        };
        let results =
            "SELECT id, bytes, sha1, expires_ms <= unixepoch() * 1000, blob_key, content FROM results";
        let result = |row: &Row<'_>| {
            Ok(ResultRow {
                bytes: row.get(1)?,
                sha1: row.get(2)?,
                is_expired: row.get(3)?,
                blob_key: row.get(4)?,
                content: row.get(5)?,
            })
        };
        let id = |column| move |row: &Row<'_>| row.get(column).map(Uuid::from_bytes);
        Ok(Self {
            requests: map(connection, requests, id(0), request)?,
            results: map(connection, results, id(0), result)?,
            idempotency: map(connection, "SELECT key, request FROM idempotency", |row| row.get(0), id(1))?,
            n_keys: connection.query_row("SELECT count(*) FROM api_keys", [], |row| row.get(0))?,
        })
    }

    /// Returns the ids whose webhooks are not delivered.
    pub(super) fn unsent(&self) -> HashSet<Uuid> {
        let unsent = self.requests.iter().filter(|(_, row)| row.status.as_deref() != Some("delivered"));
        unsent.map(|(id, _)| *id).collect()
    }
}

fn map<K: std::hash::Hash + Eq, V>(
    connection: &Connection,
    sql: &str,
    key: impl Fn(&Row<'_>) -> rusqlite::Result<K>,
    value: impl Fn(&Row<'_>) -> rusqlite::Result<V>,
) -> rusqlite::Result<HashMap<K, V>> {
    connection.prepare(sql)?.query_map([], |row| Ok((key(row)?, value(row)?)))?.collect()
}
