//! Finds files that a crash left incomplete. The crate `object_store` first writes a file under a temporary
//! name, which is the final name followed by `#` and a number, and never lists files with temporary names.

use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Removes the unfinished files below `root` that were last written before `before_ms`. Returns the number of
/// removed files.
pub(super) fn remove_before(root: &Path, before_ms: i64) -> io::Result<u64> {
    let before = UNIX_EPOCH + Duration::from_millis(u64::try_from(before_ms).unwrap_or(0));
    let mut n_removed = 0;
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else if is_unfinished(&entry) {
                // Another process may finish writing the file at any moment, and then renames or removes the
                // file. A missing file is therefore no error.
                let removed = entry.metadata().and_then(|file| match file.modified()? < before {
                    true => fs::remove_file(entry.path()).map(|()| 1),
                    false => Ok(0),
                });
                match removed {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    removed => n_removed += removed?,
                }
            }
        }
    }
    Ok(n_removed)
}

fn is_unfinished(file: &DirEntry) -> bool {
    let name = file.file_name();
    let number = name.to_str().and_then(|name| name.rsplit_once('#'));
    number.is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
