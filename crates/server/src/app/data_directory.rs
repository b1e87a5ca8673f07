//! The data directory of a server: creates it, keeps other users out of it, and locks it.

use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use pixaven_ledger::create_durable_directory;

/// Creates a directory durably. Only its owner can use the directory, because it holds images, secrets and
/// perhaps the passwords of receivers. Takes the rights of all others away from a directory that exists.
pub fn create(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    create_durable_directory(path).with_context(|| format!("server.data_dir: {name} could not be made"))?;
    let mode =
        std::fs::metadata(path).with_context(|| format!("server.data_dir: {name}"))?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).with_context(|| {
            format!(
                "server.data_dir: {name} can be used by others (mode {:o}), and this could not be changed",
                mode & 0o777
            )
        })?;
        tracing::warn!(
            directory = %name,
            mode = format!("{:o}", mode & 0o777),
            "the data directory could be used by others; its mode is now 700"
        );
    }
    Ok(())
}

/// Locks the data directory for this server. Without this lock, a second server on the same directory would
/// treat the running work of the first server as abandoned.
pub fn lock(data_dir: &Path) -> anyhow::Result<File> {
    create(data_dir)?;
    lock_existing(data_dir)
}

/// Locks a data directory that exists, so that no server can start on it.
pub fn lock_existing(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join("lock");
    let lock = File::create(&path).with_context(|| format!("{} could not be made", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("a server is running on {}", data_dir.display()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} could not be locked", path.display()))
        }
    }
}
