//! Sets the wall clock of a server under libfaketime. The library reads the offset of the clock from a file
//! each time the server reads its clock.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use super::fake_clock_server::system_now_ms;

/// The paths at which Linux distributions install libfaketime. `{}` stands for the machine's architecture.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
];

/// The beginnings of the paths of the files that a process under libfaketime shares with its children. Each
/// path ends with the process id. A killed process does not remove these files, and a later process with the
/// same id would fail because of them.
const SHARED: [&str; 2] = ["/dev/shm/sem.faketime_sem_", "/dev/shm/faketime_shm_"];

/// The offset in seconds by which [`Faketime::check`] sets the clock back.
const CHECK_OFFSET_S: i64 = -86_400 * 365;

/// The fake wall clock of one server.
pub(super) struct Faketime {
    library: PathBuf,
    directory: TempDir,
}

impl Faketime {
    /// Finds libfaketime. The clock first shows the same time as the clock of the machine.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut known = LIBRARIES.map(|path| path.replace("{}", std::env::consts::ARCH)).into_iter();
        let library = known.find(|path| Path::new(path).exists());
        let library =
            library.context("libfaketime is not installed: apt-get install faketime, or the like")?;
        let clock = Self { library: library.into(), directory: tempfile::tempdir()? };
        clock.set(0)?;
        Ok(clock)
    }

    /// Returns the environment variables of a process that uses this clock. Only the wall clock is changed:
    /// timers use real time.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset_file().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// Sets the clock `offset_s` seconds ahead of the machine's clock. Replaces the offset file by an atomic
    /// rename, so that no process reads an incomplete file.
    pub(super) fn set(&self, offset_s: i64) -> anyhow::Result<()> {
        let new = self.directory.path().join("new");
        std::fs::write(&new, format!("{offset_s:+}\n"))?;
        std::fs::rename(new, self.offset_file()).context("the clock cannot be moved")
    }

    /// Checks that the program `date` shows the time of this clock. The check fails, for example, if `date`
    /// is statically linked, because libfaketime does not affect such programs.
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

    /// Removes the files that libfaketime left behind for a killed process.
    pub(super) fn clean_after(&self, pid: u32) {
        for path in SHARED {
            // An error is ignored: the shared file does not exist if the process was killed early, or if this
            // version of libfaketime uses another path.
            let _missing = std::fs::remove_file(format!("{path}{pid}"));
        }
    }

    fn offset_file(&self) -> PathBuf {
        self.directory.path().join("offset")
    }
}
