//! The files that a backup keeps: a directory with a second name (a hard link) for each file, so that the
//! server can delete its own name. Files in the blob store never change after they were written.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use pixaven_ledger::{FileContent, NamedFile};

use crate::work::blobs::Blobs;

/// The name of the directory of a running backup in the data directory.
const DIRECTORY: &str = ".running-backup";

/// The directory of a running backup. It is deleted when the value is dropped.
pub(super) struct KeptFiles {
    directory: PathBuf,
    /// The keys of needed files that do not exist.
    missing: Arc<Mutex<Vec<String>>>,
    /// The locked directory.
    _lock: File,
}

impl KeptFiles {
    /// Creates the directory in a data directory. Deletes what a killed backup has left there. Fails if
    /// another backup runs.
    pub(super) fn new(data_dir: &Path) -> anyhow::Result<Self> {
        let directory = data_dir.join(DIRECTORY);
        let create = || -> io::Result<File> {
            fs::create_dir_all(&directory)?;
            File::open(&directory)
        };
        let lock = create().with_context(|| format!("{} could not be made", directory.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another backup of {} is running", data_dir.display()),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} could not be locked", directory.display()));
            }
        }
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let path = entry?.path();
            fs::remove_dir_all(&path).with_context(|| format!("{} could not be removed", path.display()))?;
        }
        Ok(Self { directory, missing: Arc::default(), _lock: lock })
    }

    /// Returns the function that keeps a file of the blob store `blobs`. A file that is kept already costs one
    /// system call.
    pub(super) fn keeper(&self, blobs: PathBuf) -> impl FnMut(NamedFile) -> io::Result<()> + Send + use<> {
        let (directory, missing) = (self.directory.clone(), Arc::clone(&self.missing));
        move |file| {
            let key = match file.content {
                FileContent::Key(key) => key,
                FileContent::Watermark(id) => Blobs::watermark_key(&id),
            };
            let is_kept = keep(&blobs.join(&key), &directory.join(&key))?;
            if !is_kept && file.is_needed {
                missing.lock().unwrap_or_else(PoisonError::into_inner).push(key);
            }
            Ok(())
        }
    }

    /// Returns the keys of the needed files that did not exist.
    pub(super) fn missing(&self) -> Vec<String> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls a function with the key and the path of each kept file.
    pub(super) fn for_each(
        &self,
        mut run: impl FnMut(&str, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut directories = vec![self.directory.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let key = path.strip_prefix(&self.directory).context("the file is in the directory")?;
                run(key.to_str().context("keys are ASCII")?, &path)?;
            }
        }
        Ok(())
    }
}

impl Drop for KeptFiles {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("warning: {} could not be removed: {error}", self.directory.display());
        }
    }
}

/// Gives a file a second name, or copies it where the file system allows no second name. Returns false if the
/// file does not exist.
fn keep(file: &Path, kept: &Path) -> io::Result<bool> {
    match fs::hard_link(file, kept) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound && !file.exists() => return Ok(false),
        Err(_) => {}
    }
    if let Some(directory) = kept.parent() {
        fs::create_dir_all(directory)?;
    }
    match fs::hard_link(file, kept).or_else(|_| copy(file, kept)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        linked => linked.map(|()| true),
    }
}

/// Copies a file with its time of modification.
fn copy(file: &Path, kept: &Path) -> io::Result<()> {
    let modified = fs::metadata(file)?.modified()?;
    fs::copy(file, kept)?;
    File::options().write(true).open(kept)?.set_modified(modified)
}
