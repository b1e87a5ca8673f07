//! A disk that can be filled: a small file system in memory.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::report::progress;

/// Room for a server, its log and some results.
const SIZE: &str = "size=32m";

/// Room that the server makes is taken away this often.
const REFILL_EVERY: Duration = Duration::from_millis(20);

/// A mounted file system. Unmounted on drop.
pub(super) struct SmallDisk {
    path: PathBuf,
}

/// Says so where nothing can be mounted.
pub(super) fn ensure_possible() -> anyhow::Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the cases `enospc` and `enospc-killed` mount a file system, which needs root; `--only eio` and `--only edquot` \
         do not"
    );
    Ok(())
}

impl SmallDisk {
    /// Mounts one at `path`, which is made.
    pub(super) fn mount(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)?;
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(path).status();
        let status = status.context("cannot run `mount`")?;
        ensure!(status.success(), "`mount` ended with {status}");
        Ok(Self { path: path.to_owned() })
    }

    /// Takes all room there is, and any that is made, until dropped. Ends only with an error.
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

    /// Gives the room back.
    pub(super) fn make_room(&self) -> anyhow::Result<()> {
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
