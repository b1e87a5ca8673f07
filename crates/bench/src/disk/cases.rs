//! The faults of the disk, and for each fault the required reaction of the server.

use crate::request_template::InputMode;

/// A fault of the disk, and the required reaction of the server.
pub(super) struct DiskCase {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    pub(super) input: InputMode,
    pub(super) reaction: Reaction,
}

/// A fault of the disk.
pub(super) enum Fault {
    /// The disk is full. The fault ends when the tool frees space on the disk.
    DiskFull,
    /// Some system calls on a file or folder of the data directory fail. `calls` names these system calls,
    /// and `fault` says how they fail, both in the syntax of `strace`.
    FailingCalls { calls: &'static str, file: &'static str, fault: &'static str },
}

/// How the server must react to a fault of the disk before the server is restarted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The server accepts requests again after the end of the fault.
    Recovers,
    /// No reaction is required, because the tool kills the server during the fault.
    Killed,
    /// After the fault, the server accepts no more requests, and answers `/healthz` and `/readyz` with 503.
    Refuses,
    /// The server refuses the requests whose data cannot be flushed to the disk, and accepts all others.
    RefusesEach,
}

const LOG: &str = "pixaven.db-wal";
const DATABASE: &str = "pixaven.db";
const INPUTS: &str = "blobs/inputs";
const WRITES: &str = "pwrite64,pwritev";
const FLUSHES: &str = "fsync,fdatasync";

pub(super) static CASES: [DiskCase; 9] = [
    disk_full("enospc", Reaction::Recovers),
    disk_full("enospc-killed", Reaction::Killed),
    failing_calls("eio-write", WRITES, LOG, "error=EIO:when=1000..1040", Reaction::Recovers),
    failing_calls("edquot-log", WRITES, LOG, "error=EDQUOT:when=1000..1040", Reaction::Recovers),
    failing_calls("edquot-database", WRITES, DATABASE, "error=EDQUOT:when=1..3", Reaction::Recovers),
    failing_calls("enospc-database", WRITES, DATABASE, "error=ENOSPC:when=1..3", Reaction::Recovers),
    failing_calls("eio-log", FLUSHES, LOG, "error=EIO:when=40+", Reaction::Refuses),
    failing_calls("eio-database", FLUSHES, DATABASE, "error=EIO:when=1+", Reaction::Refuses),
    DiskCase {
        input: InputMode::Upload,
        ..failing_calls("eio-inputs", FLUSHES, INPUTS, "error=EIO:when=5+3", Reaction::RefusesEach)
    },
];

const fn disk_full(name: &'static str, reaction: Reaction) -> DiskCase {
    DiskCase { name, fault: Fault::DiskFull, input: InputMode::Mix, reaction }
}

const fn failing_calls(
    name: &'static str,
    calls: &'static str,
    file: &'static str,
    fault: &'static str,
    reaction: Reaction,
) -> DiskCase {
    DiskCase { name, fault: Fault::FailingCalls { calls, file, fault }, input: InputMode::Mix, reaction }
}
