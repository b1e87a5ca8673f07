//! Creates the directory of a day, which holds the results of that day.

use std::path::{Path as FsPath, PathBuf};

use pixaven_ledger::create_durable_directory;
use tokio::sync::Mutex;

use crate::work::error::WorkError;

/// Creates the directory of the day of a result durably. `object_store` creates missing directories, too, but
/// another task that writes to the same directory would not wait until the name of the directory is durable.
pub(super) async fn create(root: &FsPath, durable_day: &Mutex<PathBuf>, key: &str) -> Result<(), WorkError> {
    let Some((directory, _)) = key.rsplit_once('/').filter(|(directory, _)| directory.contains('/')) else {
        return Ok(());
    };
    let directory = root.join(directory);
    let mut durable_day = durable_day.lock().await;
    if *durable_day != directory {
        let created = directory.clone();
        let creation = tokio::task::spawn_blocking(move || create_durable_directory(&created)).await;
        creation.map_err(WorkError::internal)?.map_err(|error| WorkError::StorageWrite(error.into()))?;
        *durable_day = directory;
    }
    Ok(())
}
