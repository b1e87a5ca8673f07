//! Creates a directory whose name survives a power cut. The name of a new directory is durable only after a
//! flush of the directory that contains it. Without this flush, a file system may lose the directory together
//! with all flushed files in it.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, absolute};

/// Creates a directory that only its owner can read, and all missing directories above it, unless they exist.
/// When the function returns, their names are on disk.
///
/// # Errors
/// A directory cannot be created or flushed.
pub fn create_durable_directory(path: &Path) -> io::Result<()> {
    let path = absolute(path)?;
    let mut missing = Vec::new();
    let mut existing = path.as_path();
    while !existing.is_dir() {
        missing.push(existing);
        match existing.parent() {
            Some(parent) => existing = parent,
            None => break,
        }
    }
    // A process that was killed may have created this directory and not flushed its name.
    flush_name_of_existing(existing)?;
    for directory in missing.into_iter().rev() {
        let Some(parent) = directory.parent() else { continue };
        let parent = File::open(parent)?;
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
            created => created?,
        }
        parent.sync_all()?;
    }
    Ok(())
}

/// Flushes the name of a directory that exists. In two cases the function does nothing. The directory may be
/// a mount point, whose name another file system stores. If this user must not read the parent directory,
/// then this program did not create the directory, because this program opens the parent before it creates a
/// directory.
fn flush_name_of_existing(directory: &Path) -> io::Result<()> {
    let Some(parent) = directory.parent() else { return Ok(()) };
    let device = |metadata: Metadata| metadata.dev();
    if directory.metadata().map(device)? != parent.metadata().map(device)? {
        return Ok(());
    }
    match File::open(parent) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        parent => parent?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_directories_are_created_with_access_for_the_owner_only_and_existing_directories_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a").join("b");
        for _ in 0..2 {
            create_durable_directory(&path).unwrap();
            for directory in [&path, path.parent().unwrap()] {
                assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
            }
        }
        create_durable_directory(Path::new("/")).unwrap();
    }

    #[test]
    fn creating_a_directory_fails_if_its_path_or_its_parent_path_is_a_file() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(create_durable_directory(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(create_durable_directory(&path.join("a")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
}
