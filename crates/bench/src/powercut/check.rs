//! Checks a disk image (a copy of the data directory as it may be after a power cut) without a server: opens
//! the ledger as a server does, and joins the rows of the ledger with the files and with what the recorded
//! server had answered before the power cut.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

use anyhow::Context;
use pixaven_ledger::{Clock, Ledger, Store};
use rusqlite::{Connection, OpenFlags};
use sha1::{Digest as _, Sha1};
use uuid::Uuid;

use super::recording::Recording;
use super::rows::{RequestRow, ResultRow, Rows};
use super::script::SentRequest;
use crate::integrity::integrity_errors;

/// What the recorded server had answered before the power cut.
#[derive(Debug)]
pub(super) struct Obligations<'a> {
    requests: &'a HashMap<Uuid, SentRequest>,
    /// The ids of the requests whose answer the server had begun to send.
    pub(super) answered: HashSet<Uuid>,
    /// Whether `pixaven keys create` had printed the API key before the power cut.
    has_key: bool,
}

/// The damage of a disk image, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    /// Answered requests that are missing, and a missing API key.
    pub(super) lost: Vec<String>,
    /// Errors in the database, and rows that contradict each other.
    pub(super) corrupt: Vec<String>,
    /// Uploads and results with missing or wrong bytes.
    pub(super) wrong_bytes: Vec<String>,
}

/// The webhooks in a disk image that the server must still send. `None` if the disk image has no ledger.
pub(super) type Unsent = Option<HashSet<Uuid>>;

impl<'a> Obligations<'a> {
    /// Returns what must be in the data directory after a power cut just after the line `line` of the trace.
    pub(super) fn at(recording: &'a Recording, line: usize) -> Self {
        let answered = recording.answered.iter().filter(|(_, begin)| **begin <= line).map(|(id, _)| *id);
        Self {
            requests: &recording.requests,
            answered: answered.collect(),
            has_key: line >= recording.key_line,
        }
    }

    /// Returns the ids of the requests that were answered with 202.
    pub(super) fn accepted(&self) -> impl Iterator<Item = Uuid> {
        self.answered.iter().filter(|id| self.requests[*id].is_accepted).copied()
    }

    pub(super) fn has_key(&self) -> bool {
        self.has_key
    }

    /// Returns the answered requests that have an idempotency key. The server must not process these requests
    /// again.
    pub(super) fn repeatable(&self) -> impl Iterator<Item = (Uuid, &'a SentRequest)> {
        let answered = self.answered.iter().map(|id| (*id, &self.requests[id]));
        answered.filter(|(_, request)| request.idempotency_key.is_some())
    }
}

/// Shows the first description and the number of the others.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = self.all();
        let first = all.next().map_or("no damage", String::as_str);
        write!(f, "{first} (and {} more)", all.count())
    }
}

impl Damage {
    /// Returns all descriptions, errors of the database first.
    fn all(&self) -> impl Iterator<Item = &String> {
        self.corrupt.iter().chain(&self.wrong_bytes).chain(&self.lost)
    }

    pub(super) fn is_none(&self) -> bool {
        self.all().next().is_none()
    }
}

/// Checks the data directory of a disk image. Returns the damage, and the webhooks that must still be sent.
pub(super) async fn check(data_dir: &Path, owed: &Obligations<'_>) -> anyhow::Result<(Damage, Unsent)> {
    let mut damage = Damage::default();
    let database = data_dir.join("pixaven.db");
    if !database.exists() {
        damage.lost.extend(owed.has_key.then(|| "the ledger is missing".to_owned()));
        damage.lost.extend(owed.answered.iter().map(|id| format!("{id}: the ledger is missing")));
        return Ok((damage, None));
    }
    match Ledger::open(Store::Sqlite { path: database.clone() }, Clock::System).await {
        Ok(ledger) => {
            let recovered = ledger.recover().await;
            damage.corrupt.extend(recovered.err().map(|error| format!("not recovered: {error}")));
            ledger.close().await;
        }
        Err(error) => {
            damage.corrupt.push(format!("the ledger cannot be opened: {error}"));
            damage.lost.extend(owed.answered.iter().map(|id| format!("{id}: the ledger cannot be opened")));
            return Ok((damage, None));
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let rows = integrity_errors(data_dir).and_then(|errors| {
        damage.corrupt.extend(errors);
        Ok(Rows::read(&Connection::open_with_flags(&database, flags)?)?)
    });
    match rows {
        Ok(rows) => {
            rows.check(&data_dir.join("blobs"), owed, &mut damage)?;
            Ok((damage, Some(rows.unsent())))
        }
        Err(error) => {
            damage.corrupt.push(format!("the rows cannot be read: {error:#}"));
            damage.lost.extend(owed.answered.iter().map(|id| format!("{id}: the rows cannot be read")));
            Ok((damage, None))
        }
    }
}

impl Rows {
    fn check(&self, blobs: &Path, owed: &Obligations<'_>, damage: &mut Damage) -> anyhow::Result<()> {
        if owed.has_key && self.n_keys == 0 {
            damage.lost.push("the API key is missing".to_owned());
        }
        for id in &owed.answered {
            let is_accepted = owed.requests[id].is_accepted;
            let is_kept =
                if is_accepted { self.requests.contains_key(id) } else { self.results.contains_key(id) };
            damage.lost.extend((!is_kept).then(|| format!("{id}: its row is missing")));
        }
        for (id, request) in owed.repeatable() {
            let stored = request.idempotency_key.as_ref().and_then(|key| self.idempotency.get(key));
            if stored != Some(&id) {
                damage.lost.push(format!("{id}: its idempotency key is missing"));
            }
        }
        for (id, row) in &self.requests {
            self.check_request(*id, row, damage);
            if row.has_job {
                let sent = owed.requests.get(id).and_then(|request| request.upload.as_deref());
                let problem = row.input_problem(blobs, sent)?;
                damage.wrong_bytes.extend(problem.map(|problem| format!("{id}: the upload {problem}")));
            }
        }
        for (id, row) in &self.results {
            let problem = row.problem(blobs)?;
            damage.wrong_bytes.extend(problem.map(|problem| format!("{id}: the result {problem}")));
        }
        Ok(())
    }

    /// Checks that a request is unfinished, or finished with a result and a webhook that is sent or waits.
    fn check_request(&self, id: Uuid, row: &RequestRow, damage: &mut Damage) {
        let status = row.status.as_deref().unwrap_or("no webhook");
        let succeeded = row.payload.as_ref().is_some_and(|payload| payload.contains("\"success\":true"));
        let is_sound = match (row.has_job, &row.payload) {
            (true, payload) => payload.is_none() && !row.is_queued && status == "created",
            (false, None) => false,
            (false, Some(_)) => row.is_queued != (status == "delivered") && self.results.contains_key(&id),
        };
        if !is_sound || (!row.has_job && !succeeded) {
            let RequestRow { has_job, is_queued, payload, .. } = row;
            damage.corrupt.push(format!(
                "{id}: {status}, job: {has_job}, queued: {is_queued}, payload: {payload:?}, result: {}",
                self.results.contains_key(&id)
            ));
        }
    }
}

impl RequestRow {
    /// Describes what is wrong with the stored upload of an unfinished request.
    fn input_problem(&self, blobs: &Path, sent: Option<&[u8]>) -> anyhow::Result<Option<String>> {
        let Some(n_bytes) = self.input_bytes else { return Ok(None) };
        let stored = match &self.input_key {
            Some(key) => read(&blobs.join(key))?,
            None => self.input_content.clone(),
        };
        let Some(stored) = stored else { return Ok(Some("is missing".to_owned())) };
        if stored.len() != n_bytes as usize {
            return Ok(Some(format!("has {} bytes instead of {n_bytes}", stored.len())));
        }
        let differs = sent.is_some_and(|sent| sent != stored);
        Ok(differs.then(|| "has other bytes than were sent".to_owned()))
    }
}

impl ResultRow {
    /// Describes what is wrong with a result. The sweep removes the file of an expired result before its row,
    /// so the file of an expired result may be missing.
    fn problem(&self, blobs: &Path) -> anyhow::Result<Option<String>> {
        let stored = match &self.blob_key {
            Some(key) => read(&blobs.join(key))?,
            None => self.content.clone(),
        };
        let Some(stored) = stored else {
            return Ok((!self.is_expired).then(|| "is missing".to_owned()));
        };
        if stored.len() != self.bytes as usize {
            return Ok(Some(format!("has {} bytes instead of {}", stored.len(), self.bytes)));
        }
        Ok((hex_sha1(&stored) != self.sha1).then(|| "has the wrong bytes".to_owned()))
    }
}

/// Reads a file. Returns `None` if it does not exist.
fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Returns the SHA-1 of some bytes in hexadecimal, as the ledger stores it.
pub(super) fn hex_sha1(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
