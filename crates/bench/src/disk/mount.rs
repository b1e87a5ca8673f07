//! A disk that the tool can fill: a small file system in memory (tmpfs).

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::report::progress;

/// The size of the file system. It is enough for the data of a server, its log and some processed images.
const SIZE: &str = "size=32m";

/// The interval at which the tool fills the disk again, because the server may have freed space in the
/// meantime.
const REFILL_EVERY: Duration = Duration::from_millis(20);

/// A mounted file system. It is unmounted when this value is dropped.
pub(super) struct SmallDisk {
    path: PathBuf,
}

/// Checks that this user may mount a file system. If not, the error says what the user can do.
pub(super) fn ensure_root() -> anyhow::Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the cases `enospc` and `enospc-killed` mount a file system, which needs root; `--only eio` and `--only edquot` \
         do not"
    );
    Ok(())
}

impl SmallDisk {
    /// Creates the directory `path` and mounts a file system on it.
    pub(super) fn mount(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)?;
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(path).status();
        let status = status.context("cannot run `mount`")?;
        ensure!(status.success(), "`mount` ended with {status}");
        Ok(Self { path: path.to_owned() })
    }

    /// Fills the disk, and keeps the disk full until the caller drops the future. The future completes only
    /// if the disk cannot be filled.
    pub(super) async fn keep_full(&self) -> anyhow::Error {
        let mut ticks = tokio::time::interval(REFILL_EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = self.fill() {
                return error;
            }
        }
    }

    fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        loop {
            match ballast.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("the disk cannot be filled"),
            }
        }
    }

    /// Frees the space that [`Self::keep_full`] has filled.
    pub(super) fn free_space(&self) -> anyhow::Result<()> {
        fs::remove_file(self.ballast()).context("the disk was never filled")
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match Command::new("umount").arg(&self.path).status() {
            Ok(status) if status.success() => {}
            failed => progress(format_args!("{} is still mounted: {failed:?}", self.path.display())),
        }
    }
}
