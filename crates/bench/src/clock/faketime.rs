//! The wall clock of a server under libfaketime: an offset in a file, which the library reads at each look at
//! the clock.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use super::fake_clock_server::system_now_ms;

/// Where distributions install the library. `{}` stands for the machine's architecture.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
];

/// The beginnings of the paths that a process under libfaketime shares with its children; its process id
/// follows. A killed process leaves them behind, and a later process with the same id would fail at them.
const SHARED: [&str; 2] = ["/dev/shm/sem.faketime_sem_", "/dev/shm/faketime_shm_"];

/// How far [`Faketime::check`] sets the clock back.
const CHECK_OFFSET_S: i64 = -86_400 * 365;

/// The clock of one server.
pub(super) struct Faketime {
    library: PathBuf,
    directory: TempDir,
}

impl Faketime {
    /// Finds the library. The clock shows the time of the machine.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut known = LIBRARIES.map(|path| path.replace("{}", std::env::consts::ARCH)).into_iter();
        let library = known.find(|path| Path::new(path).exists());
        let library =
            library.context("libfaketime is not installed: apt-get install faketime, or the like")?;
        let clock = Self { library: library.into(), directory: tempfile::tempdir()? };
        clock.set(0)?;
        Ok(clock)
    }

    /// The environment variables of a process with this clock. Only the wall clock is moved: timers keep real
    /// time.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset_file().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// Sets the clock this many seconds ahead of the machine's clock. The file is replaced at once, so that
    /// no process reads a part of it.
    pub(super) fn set(&self, offset_s: i64) -> anyhow::Result<()> {
        let new = self.directory.path().join("new");
        std::fs::write(&new, format!("{offset_s:+}\n"))?;
        std::fs::rename(new, self.offset_file()).context("the clock cannot be moved")
    }

    /// Checks that `date` sees the clock. A statically linked program does not.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        self.set(CHECK_OFFSET_S)?;
        let mut command = Command::new("date");
        let output = command.arg("+%s").envs(self.variables()).output().await;
        let output = output.context("cannot run `date`")?;
        self.set(0)?;
        let shown_s: i64 =
            String::from_utf8_lossy(&output.stdout).trim().parse().context("`date` shows no time")?;
        let error_s = shown_s - system_now_ms() / 1_000 - CHECK_OFFSET_S;
        ensure!(error_s.abs() < 60, "{} does not move the clock", self.library.display());
        Ok(())
    }

    /// Removes the shared files of a killed process.
    pub(super) fn clean_after(&self, pid: u32) {
        for path in SHARED {
            // A file is missing when the process was killed early, or when this version of the library uses
            // another path.
            let _missing = std::fs::remove_file(format!("{path}{pid}"));
        }
    }

    fn offset_file(&self) -> PathBuf {
        self.directory.path().join("offset")
    }
}
