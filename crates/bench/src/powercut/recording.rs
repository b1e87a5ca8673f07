//! Records a server under `strace`: what it wrote, flushed and answered.
//!
//! There are two recordings. In the first one, `pixaven keys create` makes a new data directory, a server
//! starts for the first time and is killed, and another server continues its work. In the second one, the
//! next server starts on the same directory, in which the sweep finds expired results and files that a crash
//! left behind. Each recording ends with an orderly stop.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use pixaven_ledger::{Clock, Ledger, Store, StoredContent, StoredResult, UsageDelta};
use uuid::Uuid;

use super::check::hex_sha1;
use super::disk::{Node, read_nodes};
use super::events::{DATA_DIR, Event, EventKind, EventReader, FLUSHES, TRACED_CALLS};
use super::script::{self, ScriptUrls, SentRequest};
use crate::api_client::ApiClient;
use crate::request_template::TestImage;
use crate::restart_checks::set_age;
use crate::server::{Installation, Server};
use crate::strace::{Trace, Tracer};

/// The settings of the recorded server. A refused webhook is sent again after one second and never pauses the
/// receiver. The sweep runs every second.
const SETTINGS: [&str; 4] = [
    "images.workers=2",
    "webhooks.schedule_s=1,1,1,1,1,1",
    "webhooks.breaker_failures=1000000",
    "results.sweep_interval_s=1",
];

/// How long the end of a trace may take after the end of the process.
const TRACE_TIMEOUT: Duration = Duration::from_secs(20);

/// The number of expired results that the second recording begins with: half of them are files.
const N_EXPIRED: usize = 8;

/// A recorded run of a server.
pub(super) struct Recording {
    pub(super) name: &'static str,
    /// The directory that was recorded. It contains the data directory.
    pub(super) root: PathBuf,
    /// The files before the recording, all of them durable.
    pub(super) nodes: Vec<Node>,
    /// What happened, in the order in which it began.
    pub(super) events: Vec<Event>,
    /// All requests that the client has sent, in this recording and before it.
    pub(super) requests: HashMap<Uuid, SentRequest>,
    /// The line of the trace at which each answer began.
    pub(super) answered: HashMap<Uuid, usize>,
    /// The API key, and the line of the trace from which on it must exist.
    pub(super) key: String,
    pub(super) key_line: usize,
    /// The number of lines of all traces.
    n_lines: usize,
}

/// How a recording is made.
pub(super) struct Recorder<'a> {
    pub(super) binary: &'a Path,
    /// Additional settings of the server.
    pub(super) settings: &'a [String],
    /// The number of requests in each recording.
    pub(super) n_requests: usize,
    /// Whether the flushes of the server take effect. If not, each flush returns at once and does nothing.
    pub(super) flushes: bool,
}

impl Recorder<'_> {
    /// Makes both recordings in the empty directory `root`.
    pub(super) async fn record(&self, root: &Path, urls: &ScriptUrls<'_>) -> anyhow::Result<[Recording; 2]> {
        // The trace has canonical paths.
        let root = root.canonicalize()?;
        let first = self.first_start(&root, urls).await?;
        add_things_to_sweep(&root.join(DATA_DIR)).await?;
        let second = self.second_start(&root, urls, &first).await?;
        Ok([first, second])
    }

    async fn first_start(&self, root: &Path, urls: &ScriptUrls<'_>) -> anyhow::Result<Recording> {
        let nodes = read_nodes(root)?;
        let tracer = self.tracer(root, "keys");
        let (data_dir, settings) = (root.join(DATA_DIR), self.all_settings());
        let installation = Installation::new_traced(self.binary, data_dir, &settings, &tracer).await?;
        let key = installation.key.clone();
        let mut recording = Recording { name: "first start", key, ..Recording::new(root, nodes) };
        recording.add(&tracer).await?;
        recording.key_line = recording.n_lines;

        let tracer = self.tracer(root, "killed");
        let n_first = self.n_requests / 2;
        let (server, sent) = self.serve(&installation, &tracer, urls, 0..n_first).await?;
        server.kill().await?;
        recording.requests.extend(sent);
        recording.add(&tracer).await?;

        let tracer = self.tracer(root, "restarted");
        let (server, sent) = self.serve(&installation, &tracer, urls, n_first..self.n_requests).await?;
        server.stop().await?;
        recording.requests.extend(sent);
        recording.add(&tracer).await?;
        recording.ensure_complete()?;
        Ok(recording)
    }

    async fn second_start(
        &self,
        root: &Path,
        urls: &ScriptUrls<'_>,
        first: &Recording,
    ) -> anyhow::Result<Recording> {
        let nodes = read_nodes(root)?;
        let (data_dir, settings) = (root.join(DATA_DIR), self.all_settings());
        let installation = Installation::existing(self.binary, data_dir, &settings, first.key.clone());
        let mut recording = Recording {
            name: "next start",
            key: first.key.clone(),
            requests: first.requests.clone(),
            // Everything that was answered before the recording must be in the data directory from the
            // beginning.
            answered: first.answered.keys().map(|id| (*id, 0)).collect(),
            ..Recording::new(root, nodes)
        };
        let tracer = self.tracer(root, "next");
        let numbers = self.n_requests..2 * self.n_requests;
        let (server, sent) = self.serve(&installation, &tracer, urls, numbers).await?;
        server.stop().await?;
        recording.requests.extend(sent);
        recording.add(&tracer).await?;
        recording.ensure_complete()?;
        Ok(recording)
    }

    /// Starts a server under `strace` and runs a part of the script. Returns the server, which still runs.
    async fn serve(
        &self,
        installation: &Installation,
        tracer: &Tracer,
        urls: &ScriptUrls<'_>,
        numbers: Range<usize>,
    ) -> anyhow::Result<(Server, HashMap<Uuid, SentRequest>)> {
        let mut server = installation.spawn_traced(tracer)?;
        let address = server.wait_until_listening().await;
        let address = address.with_context(|| format!("the log ends:\n{}", installation.log_tail()))?;
        let api = ApiClient::new(address, &installation.key);
        let sent = script::run(&api, urls, numbers).await?;
        Ok((server, sent))
    }

    fn tracer(&self, root: &Path, name: &str) -> Tracer {
        // The trace is outside the recorded directory.
        let tracer = Tracer::new(TRACED_CALLS, None, root.with_extension(name)).with_data();
        if self.flushes { tracer } else { tracer.with_fault_in(FLUSHES, "retval=0".to_owned()) }
    }

    /// Returns all settings of the server.
    pub(super) fn all_settings(&self) -> Vec<String> {
        SETTINGS.into_iter().map(str::to_owned).chain(self.settings.iter().cloned()).collect()
    }
}

impl Recording {
    fn new(root: &Path, nodes: Vec<Node>) -> Self {
        Self {
            name: "",
            root: root.to_owned(),
            nodes,
            events: Vec::new(),
            requests: HashMap::new(),
            answered: HashMap::new(),
            key: String::new(),
            key_line: 0,
            n_lines: 0,
        }
    }

    /// Adds the trace of a process that has ended, and the answers in it.
    async fn add(&mut self, tracer: &Tracer) -> anyhow::Result<()> {
        let trace = finished_trace(tracer).await?;
        let events = EventReader::new(&self.root).read(&trace.system_calls(self.n_lines)?)?;
        self.n_lines += trace.n_lines();
        for event in events {
            if let EventKind::Answer { id } = event.kind
                && self.requests.contains_key(&id)
            {
                self.answered.entry(id).or_insert(event.begin);
            }
            self.events.push(event);
        }
        Ok(())
    }

    /// Checks that the trace has every answer that the client has read.
    fn ensure_complete(&self) -> anyhow::Result<()> {
        let n_missing = self.requests.keys().filter(|id| !self.answered.contains_key(id)).count();
        ensure!(n_missing == 0, "the trace lacks {n_missing} answers that the client has read");
        Ok(())
    }
}

/// Waits for the end of a trace, and returns it.
async fn finished_trace(tracer: &Tracer) -> anyhow::Result<Trace> {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let complete = async {
        loop {
            ticks.tick().await;
            let trace = tracer.trace()?;
            if trace.is_complete() {
                return Ok(trace);
            }
        }
    };
    tokio::time::timeout(TRACE_TIMEOUT, complete).await.context("the trace does not end")?
}

/// Adds expired results, an upload without a request and an unfinished file to the directory of a stopped
/// server.
async fn add_things_to_sweep(data_dir: &Path) -> anyhow::Result<()> {
    let ledger = Ledger::open(Store::Sqlite { path: data_dir.join("pixaven.db") }, Clock::System).await?;
    let account = ledger.keys().await?.first().context("the ledger has no key")?.account;
    let blobs = data_dir.join("blobs");
    let day = blobs.join("results").join("2026-01-10");
    std::fs::create_dir_all(&day)?;
    for n in 0..N_EXPIRED {
        let (id, bytes) =
            (Uuid::new_v4(), TestImage::unchanged(if n % 2 == 0 { 64 } else { 550 }, 400)?.bytes);
        let name = format!("{id}.jpg");
        let content = if n % 2 == 0 {
            StoredContent::Inline(bytes.clone())
        } else {
            std::fs::write(day.join(&name), &bytes)?;
            StoredContent::File { key: format!("results/2026-01-10/{name}") }
        };
        let result = StoredResult {
            id,
            account,
            content,
            media_type: "image/jpeg".to_owned(),
            bytes: bytes.len() as u64,
            sha1: hex_sha1(&bytes),
            name,
            created_ms: 0,
            expires_ms: 1,
        };
        ledger.record_result(account, UsageDelta::default(), Some(result)).await?;
    }
    ledger.close().await;
    for name in [Uuid::new_v4().to_string(), format!("{}#1", Uuid::new_v4())] {
        std::fs::write(blobs.join("inputs").join(name), b"left behind")?;
    }
    set_age(&blobs)
}
