//! The wall clock of a server that runs under libfaketime: an offset in a file, which every look at the clock reads.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// Where distributions put it; `{}` is the machine.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
];

/// Where a process under libfaketime leaves what it shares with its children; one that is killed does not remove it, and a
/// later one with the same id would trip over it.
const SHARED: [&str; 2] = ["/dev/shm/sem.faketime_sem_", "/dev/shm/faketime_shm_"];

/// The clock of one server.
pub(super) struct Faketime {
    library: PathBuf,
    directory: TempDir,
}

impl Faketime {
    /// Finds the library; the clock shows the time of the machine.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut known = LIBRARIES.map(|path| path.replace("{}", std::env::consts::ARCH)).into_iter();
        let library = known.find(|path| Path::new(path).exists());
        let library =
            library.context("libfaketime is not installed: apt-get install faketime, or the like")?;
        let clock = Self { library: library.into(), directory: tempfile::tempdir()? };
        clock.set(0)?;
        Ok(clock)
    }

    /// What puts a process under this clock. Only the wall clock is moved: waits go on in real time.
    pub(super) fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// Moves the clock this far from that of the machine. Nobody ever sees half of it.
    pub(super) fn set(&self, offset_s: i64) -> anyhow::Result<()> {
        let new = self.directory.path().join("new");
        std::fs::write(&new, format!("{offset_s:+}\n"))?;
        std::fs::rename(new, self.file()).context("the clock cannot be moved")
    }

    /// Looks whether a program sees the clock, which it does not when it is linked statically.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        self.set(-86_400 * 365)?;
        let mut command = tokio::process::Command::new("date");
        let output =
            command.arg("+%s").envs(self.environment()).output().await.context("cannot run `date`")?;
        self.set(0)?;
        let shown: i64 =
            String::from_utf8_lossy(&output.stdout).trim().parse().context("`date` shows no time")?;
        let off_s = super::system_now_ms() / 1_000 - shown;
        ensure!((off_s - 86_400 * 365).abs() < 60, "{} does not move the clock", self.library.display());
        Ok(())
    }

    /// Removes what a killed process left.
    pub(super) fn clean_after(&self, pid: u32) {
        for path in SHARED {
            // Not there: it had not come so far, or this version of the library has another place for it.
            let _missing = std::fs::remove_file(format!("{path}{pid}"));
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("offset")
    }
}
