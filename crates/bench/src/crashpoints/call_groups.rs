//! The groups of system calls at which a server is killed. The groups contain all system calls by which data
//! leaves the memory of the server. The tool counts the calls of each group in a server that is not killed. A
//! group without calls has no crash points.

use std::path::{Path, PathBuf};

/// A group of system calls that are counted together.
pub(super) struct CallGroup {
    /// The names of the system calls in the syntax of `strace`.
    pub(super) calls: &'static str,
    /// The file or folder of the data directory whose system calls belong to the group. `None` means all
    /// files.
    file: Option<&'static str>,
}

const fn on_any_file(calls: &'static str) -> CallGroup {
    CallGroup { calls, file: None }
}

const fn on(file: &'static str, calls: &'static str) -> CallGroup {
    CallGroup { calls, file: Some(file) }
}

const WRITES: &str = "pwrite64,pwritev,ftruncate";
const FLUSHES: &str = "fsync,fdatasync";

pub(super) static CALL_GROUPS: [CallGroup; 13] = [
    on("pixaven.db-wal", WRITES),
    on("pixaven.db-wal", FLUSHES),
    on("pixaven.db", WRITES),
    on("pixaven.db", FLUSHES),
    on("pixaven.db-shm", WRITES),
    on("blobs/inputs", FLUSHES),
    on_any_file(FLUSHES),
    on_any_file("?link,linkat"),
    on_any_file("?rename,?renameat,renameat2"),
    on_any_file("?unlink,unlinkat"),
    on_any_file("write"),
    on_any_file("writev"),
    on_any_file("sendto,sendmsg,sendmmsg"),
];

impl CallGroup {
    /// Returns the name of the group in the report: the system calls, and the file if the group is restricted
    /// to a file.
    pub(super) fn name(&self) -> String {
        let calls = self.calls.replace('?', "");
        self.file.map_or_else(|| calls.clone(), |file| format!("{calls} {file}"))
    }

    /// Returns the path of the file or folder to which the group is restricted.
    pub(super) fn path(&self, data_dir: &Path) -> Option<PathBuf> {
        self.file.map(|file| data_dir.join(file))
    }
}
