//! The kinds of system calls at which a server is killed: those by which anything leaves its memory. Which of them a
//! server makes is found out by counting; a kind that it does not make has no points.

use std::path::{Path, PathBuf};

/// Calls that are counted together.
pub(super) struct Group {
    /// As `strace` reads them.
    pub(super) calls: &'static str,
    /// Only those on this file of the server's directory.
    file: Option<&'static str>,
}

const fn anywhere(calls: &'static str) -> Group {
    Group { calls, file: None }
}

const fn on(file: &'static str, calls: &'static str) -> Group {
    Group { calls, file: Some(file) }
}

const WRITES: &str = "pwrite64,pwritev,ftruncate";
const FLUSHES: &str = "fsync,fdatasync";

pub(super) static GROUPS: [Group; 13] = [
    on("pixaven.db-wal", WRITES),
    on("pixaven.db-wal", FLUSHES),
    on("pixaven.db", WRITES),
    on("pixaven.db", FLUSHES),
    on("pixaven.db-shm", WRITES),
    on("blobs/inputs", FLUSHES),
    anywhere(FLUSHES),
    anywhere("?link,linkat"),
    anywhere("?rename,?renameat,renameat2"),
    anywhere("?unlink,unlinkat"),
    anywhere("write"),
    anywhere("writev"),
    anywhere("sendto,sendmsg,sendmmsg"),
];

impl Group {
    /// What it is called in a report.
    pub(super) fn name(&self) -> String {
        let calls = self.calls.replace('?', "");
        self.file.map_or_else(|| calls.clone(), |file| format!("{calls} {file}"))
    }

    /// The file in a server's directory that they are on, if it has to be one.
    pub(super) fn path(&self, data_dir: &Path) -> Option<PathBuf> {
        self.file.map(|file| data_dir.join(file))
    }
}
