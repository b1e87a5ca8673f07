//! The archive of a backup. It gets its name when it is complete and on disk.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

/// The beginning of the names of temporary files beside the archive.
const TEMPORARY: &str = ".pixaven-backup-";

/// An archive that is being written.
pub(super) struct Archive {
    path: PathBuf,
    directory: PathBuf,
    builder: tar::Builder<BufWriter<NamedTempFile>>,
    n_files: u64,
}

/// An archive that is complete.
pub(super) struct WrittenArchive {
    pub(super) path: PathBuf,
    pub(super) n_files: u64,
    pub(super) n_bytes: u64,
}

impl Archive {
    /// Begins an archive whose name will be `path`, which must not exist.
    pub(super) fn create(path: PathBuf) -> anyhow::Result<Self> {
        anyhow::ensure!(!path.exists(), "{} exists already", path.display());
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let file = temporary_file(&directory)?;
        let builder = tar::Builder::new(BufWriter::new(file));
        Ok(Self { path, directory, builder, n_files: 0 })
    }

    /// Creates an empty file beside the archive. It is deleted when the returned value is dropped.
    pub(super) fn temporary_file(&self) -> anyhow::Result<NamedTempFile> {
        temporary_file(&self.directory)
    }

    /// Adds a file under a name.
    pub(super) fn add(&mut self, name: &str, path: &Path) -> anyhow::Result<()> {
        let mut file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let added = self.builder.append_file(name, &mut file);
        added.with_context(|| format!("{name} could not be added to {}", self.path.display()))?;
        self.n_files += 1;
        Ok(())
    }

    /// Flushes the archive to disk and gives it its name.
    pub(super) fn finish(self) -> anyhow::Result<WrittenArchive> {
        let Self { path, directory, builder, n_files } = self;
        let finish = || -> std::io::Result<u64> {
            let mut writer = builder.into_inner()?;
            writer.flush()?;
            let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            let n_bytes = file.as_file().metadata()?.len();
            file.persist_noclobber(&path)?;
            File::open(&directory)?.sync_all()?;
            Ok(n_bytes)
        };
        let n_bytes = finish().with_context(|| format!("{} could not be written", path.display()))?;
        Ok(WrittenArchive { path, n_files, n_bytes })
    }
}

/// Creates an empty file that only its owner can read.
fn temporary_file(directory: &Path) -> anyhow::Result<NamedTempFile> {
    let created = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(directory);
    created.with_context(|| format!("no file can be created in {}", directory.display()))
}
