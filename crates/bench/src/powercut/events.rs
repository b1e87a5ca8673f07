//! Reads from a trace what happened to the files of the data directory, and which requests were answered.
//!
//! The shared index of SQLite (`pixaven.db-shm`) is left out: the server writes it through a mapping, which a
//! trace does not show. The first connection after a crash ignores its content and builds it anew from the
//! write-ahead log. Every other mapping that the server could write through is an error, because the trace
//! would be incomplete. A call that this module cannot model is an error, too.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use uuid::Uuid;

use crate::strace::SystemCall;

/// The calls to trace. A `?` marks a name that does not exist on every machine.
pub(super) const TRACED_CALLS: &str = "?open,openat,?creat,?openat2,lseek,mmap,read,readv,write,pwrite64,writev,pwritev,\
    ?pwritev2,sendto,sendmsg,?sendmmsg,?truncate,ftruncate,fallocate,copy_file_range,sendfile,splice,?link,\
    linkat,?rename,?renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat,?rmdir,?symlink,symlinkat,fsync,\
    fdatasync,sync,syncfs,?io_uring_setup";

/// The calls that flush data.
pub(super) const FLUSHES: &str = "fsync,fdatasync";

/// The name of the data directory in the recorded directory.
pub(super) const DATA_DIR: &str = "data";

/// The end of the name of SQLite's shared index.
const SHARED_INDEX: &str = "-shm";

/// One thing that happened, between two lines of the trace.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// The number of the trace line in which the system call of this event began.
    pub(super) begin: usize,
    /// The number of the trace line in which the system call of this event ended.
    pub(super) end: usize,
    pub(super) kind: EventKind,
}

/// What happened. Paths are relative to the traced directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EventKind {
    /// A file was opened, and created if it did not exist.
    Open {
        path: PathBuf,
        truncates: bool,
    },
    CreateDirectory {
        path: PathBuf,
    },
    Write {
        path: PathBuf,
        offset: u64,
        data: Arc<[u8]>,
    },
    Truncate {
        path: PathBuf,
        len: u64,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    /// A file or directory was flushed.
    Flush {
        path: PathBuf,
    },
    /// The server began to send an answer with this id.
    Answer {
        id: Uuid,
    },
}

impl EventKind {
    /// Returns whether this kind of event may change the names in a directory.
    pub(super) fn is_of_a_name(&self) -> bool {
        match self {
            Self::Open { .. } | Self::CreateDirectory { .. } => true,
            Self::Link { .. } | Self::Rename { .. } | Self::Remove { .. } => true,
            Self::Write { .. } | Self::Truncate { .. } | Self::Flush { .. } | Self::Answer { .. } => false,
        }
    }
}

/// Reads the events below a directory.
pub(super) struct EventReader<'a> {
    root: &'a Path,
    /// The position of each descriptor and file that was opened for writing. The number of a descriptor
    /// alone is not enough: two threads can get the same number one after the other, although the call of the
    /// second one began first.
    positions: HashMap<(i64, PathBuf), u64>,
}

impl<'a> EventReader<'a> {
    /// Creates a reader of the trace of one process. `root` must be a canonical path.
    pub(super) fn new(root: &'a Path) -> Self {
        Self { root, positions: HashMap::new() }
    }

    /// Reads the events of all calls. The calls must be in the order in which they began.
    pub(super) fn read(&mut self, calls: &[SystemCall]) -> anyhow::Result<Vec<Event>> {
        let mut events = Vec::new();
        for call in calls.iter().filter(|call| call.is_done()) {
            let kinds = self.kinds(call);
            let kinds = kinds.with_context(|| format!("line {}: {}", call.begin + 1, call.name))?;
            let event = |kind| Event { begin: call.begin, end: call.end, kind };
            events.extend(kinds.map(event));
        }
        Ok(events)
    }

    fn kinds(&mut self, call: &SystemCall) -> anyhow::Result<Option<EventKind>> {
        let link = |from, to| EventKind::Link { from, to };
        let rename = |from, to| EventKind::Rename { from, to };
        match call.name.as_str() {
            "openat" => self.open(call),
            "write" | "writev" | "sendto" | "sendmsg" | "pwrite64" => self.write(call),
            "ftruncate" => Ok(self
                .descriptor(call, 0)?
                .map(|(_, path)| EventKind::Truncate { path, len: call.number(1).unwrap_or(0) })),
            "fsync" | "fdatasync" => Ok(self.descriptor(call, 0)?.map(|(_, path)| EventKind::Flush { path })),
            "lseek" | "read" | "readv" => self.move_position(call),
            "mkdir" => Ok(self.path(call, 0)?.map(|path| EventKind::CreateDirectory { path })),
            "link" => both(self.path(call, 0)?, self.path(call, 1)?, link),
            "linkat" => both(self.path_at(call, 0)?, self.path_at(call, 2)?, link),
            "rename" => both(self.path(call, 0)?, self.path(call, 1)?, rename),
            "renameat" | "renameat2" => both(self.path_at(call, 0)?, self.path_at(call, 2)?, rename),
            "unlink" | "rmdir" => Ok(self.path(call, 0)?.map(|path| EventKind::Remove { path })),
            "mkdirat" => Ok(self.path_at(call, 0)?.map(|path| EventKind::CreateDirectory { path })),
            "unlinkat" => Ok(self.path_at(call, 0)?.map(|path| EventKind::Remove { path })),
            "mmap" => self.check_mapping(call),
            "io_uring_setup" => bail!("the trace does not show what a ring does"),
            _ => {
                let root = self.root.to_str().context("a path that is not text")?;
                let escaped: String = root.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
                ensure!(!call.arguments.contains(&escaped), "this call is not modelled");
                Ok(None)
            }
        }
    }

    fn open(&mut self, call: &SystemCall) -> anyhow::Result<Option<EventKind>> {
        let Some(path) = self.path_at(call, 0)? else { return Ok(None) };
        let flags: Vec<&str> = call.argument(2).unwrap_or_default().split('|').collect();
        let has = |flag| flags.contains(&flag);
        if has("O_RDONLY") || has("O_PATH") {
            return Ok(None);
        }
        ensure!(!has("O_APPEND") && !has("O_TMPFILE"), "a file opened with flags that are not modelled");
        self.positions.insert((call.result.unwrap_or(-1), path.clone()), 0);
        let changes = has("O_CREAT") || has("O_TRUNC");
        Ok(changes.then(|| EventKind::Open { path, truncates: has("O_TRUNC") }))
    }

    /// Reads a write to a file or an answer to a client.
    fn write(&mut self, call: &SystemCall) -> anyhow::Result<Option<EventKind>> {
        if call.descriptor(0).is_some_and(|file| file.path.starts_with("TCP")) {
            return Ok(call.data().as_deref().and_then(answered_id).map(|id| EventKind::Answer { id }));
        }
        let Some((number, path)) = self.descriptor(call, 0)? else { return Ok(None) };
        let mut data = call.data().context("data that cannot be read")?;
        let n_written = usize::try_from(call.result.unwrap_or(0))?;
        ensure!(n_written <= data.len(), "the trace has only a part of the data");
        data.truncate(n_written);
        let offset = match call.name.as_str() {
            "pwrite64" => call.number(3).context("no offset")?,
            _ => {
                let position = self.positions.get_mut(&(number, path.clone()));
                let position = position.context("an unknown position")?;
                *position += data.len() as u64;
                *position - data.len() as u64
            }
        };
        Ok(Some(EventKind::Write { path, offset, data: data.into() }))
    }

    fn move_position(&mut self, call: &SystemCall) -> anyhow::Result<Option<EventKind>> {
        if let Some(file) = self.descriptor(call, 0)?
            && let Some(position) = self.positions.get_mut(&file)
        {
            let result = u64::try_from(call.result.unwrap_or(0))?;
            *position = if call.name == "lseek" { result } else { *position + result };
        }
        Ok(None)
    }

    fn check_mapping(&self, call: &SystemCall) -> anyhow::Result<Option<EventKind>> {
        let is_file_written = call.arguments.contains("PROT_WRITE") && call.arguments.contains("MAP_SHARED");
        if is_file_written && let Some((_, path)) = self.descriptor(call, 4)? {
            bail!("the server can write {} through a mapping", path.display());
        }
        Ok(None)
    }

    /// Returns the number and the path of a descriptor, if the file is below the directory and is modelled.
    fn descriptor(&self, call: &SystemCall, n: usize) -> anyhow::Result<Option<(i64, PathBuf)>> {
        let Some(file) = call.descriptor(n) else { return Ok(None) };
        let Some(path) = self.relative(&file.path) else { return Ok(None) };
        ensure!(!file.is_deleted, "{} has no name any more", path.display());
        Ok(Some((file.number, path)))
    }

    /// Returns the path in the `n`th argument, if it is below the directory and is modelled.
    fn path(&self, call: &SystemCall, n: usize) -> anyhow::Result<Option<PathBuf>> {
        let path = call.path(n).context("a path that cannot be read")?;
        ensure!(path.starts_with('/'), "a relative path");
        Ok(self.relative(&path))
    }

    /// Returns the path that the `n`th argument (a directory) and the next one (a path) make.
    fn path_at(&self, call: &SystemCall, n: usize) -> anyhow::Result<Option<PathBuf>> {
        let directory = call.descriptor(n).context("a directory without a path")?;
        let path = Path::new(&directory.path).join(call.path(n + 1).context("a path that cannot be read")?);
        Ok(self.relative(path.to_str().context("a path that is not text")?))
    }

    fn relative(&self, path: &str) -> Option<PathBuf> {
        let relative = Path::new(path).strip_prefix(self.root).ok()?;
        is_recorded(relative).then(|| relative.to_owned())
    }
}

/// Makes an event of two paths. Either both paths or neither path must be part of the recording.
fn both(
    from: Option<PathBuf>,
    to: Option<PathBuf>,
    kind: impl FnOnce(PathBuf, PathBuf) -> EventKind,
) -> anyhow::Result<Option<EventKind>> {
    match (from, to) {
        (Some(from), Some(to)) => Ok(Some(kind(from, to))),
        (None, None) => Ok(None),
        _ => bail!("a file enters or leaves the directory"),
    }
}

/// Returns whether a file or directory is part of a recording: the data directory, everything in it except
/// the shared index, and the directory that contains it.
pub(super) fn is_recorded(relative: &Path) -> bool {
    let is_inside = relative.as_os_str().is_empty() || relative.starts_with(DATA_DIR);
    is_inside && !relative.to_string_lossy().ends_with(SHARED_INDEX)
}

/// Returns the id in the data of a write, if the data begin an HTTP response and contain the id.
fn answered_id(sent: &[u8]) -> Option<Uuid> {
    const KEY: &[u8] = b"\"id\":\"";
    if !sent.starts_with(b"HTTP/1.1 20") {
        return None;
    }
    let at = sent.windows(KEY.len()).position(|part| part == KEY)? + KEY.len();
    std::str::from_utf8(sent.get(at..at + 36)?).ok()?.parse().ok()
}
