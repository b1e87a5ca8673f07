//! What goes wrong with the disk, and how a server has to come out of it.

use crate::job::Way;

/// A kind of trouble.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) cause: Cause,
    pub(super) way: Way,
    pub(super) ending: Ending,
}

/// Where the trouble comes from.
pub(super) enum Cause {
    /// There is no room, until some is made.
    Full,
    /// Some calls on a file of the server's directory are refused by the system.
    Refused { calls: &'static str, file: &'static str, fault: &'static str },
}

/// What has to be seen while the server still runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It accepts again once the trouble is over.
    Recovers,
    /// It is killed in the middle of it.
    Killed,
    /// It accepts nothing any more, and says at `/healthz` and `/readyz` that it is not well.
    Refuses,
    /// It refuses each request whose flush fails, and those alone.
    RefusesEach,
}

const LOG: &str = "pixaven.db-wal";
const DATABASE: &str = "pixaven.db";
const INPUTS: &str = "blobs/inputs";
const WRITES: &str = "pwrite64,pwritev";
const FLUSHES: &str = "fsync,fdatasync";

pub(super) static CASES: [Case; 9] = [
    full("enospc", Ending::Recovers),
    full("enospc-killed", Ending::Killed),
    refused("eio-write", WRITES, LOG, "error=EIO:when=1000..1040", Ending::Recovers),
    refused("edquot-log", WRITES, LOG, "error=EDQUOT:when=1000..1040", Ending::Recovers),
    refused("edquot-database", WRITES, DATABASE, "error=EDQUOT:when=1..3", Ending::Recovers),
    refused("enospc-database", WRITES, DATABASE, "error=ENOSPC:when=1..3", Ending::Recovers),
    refused("eio-log", FLUSHES, LOG, "error=EIO:when=40+", Ending::Refuses),
    refused("eio-database", FLUSHES, DATABASE, "error=EIO:when=1+", Ending::Refuses),
    Case {
        way: Way::Upload,
        ..refused("eio-inputs", FLUSHES, INPUTS, "error=EIO:when=5+3", Ending::RefusesEach)
    },
];

const fn full(name: &'static str, ending: Ending) -> Case {
    Case { name, cause: Cause::Full, way: Way::Mix, ending }
}

const fn refused(
    name: &'static str,
    calls: &'static str,
    file: &'static str,
    fault: &'static str,
    ending: Ending,
) -> Case {
    Case { name, cause: Cause::Refused { calls, file, fault }, way: Way::Mix, ending }
}
