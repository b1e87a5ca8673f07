//! Copies an SQLite ledger that is in use, and names the files that belong to the copy.

use std::io;
use std::path::PathBuf;

use crate::error::Error;
use crate::sql::command::in_thread;
use crate::sql::sqlite;

/// A file of the blob store that a ledger names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// What the file contains, and its name.
    pub content: FileContent,
    /// Whether the file must exist. False for a file that the server may have deleted: each file in the first
    /// round, and in the second one the files of expired results and of removed watermarks, because their rows
    /// are deleted after them.
    pub is_needed: bool,
}

/// What a file of the blob store contains, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// An upload or a result. The value is the key of the file.
    Key(String),
    /// A watermark. The value is the id of the watermark.
    Watermark(String),
}

/// The reason why a ledger could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The ledger failed, or its copy.
    #[error("the ledger cannot be copied")]
    Ledger(#[from] Error),

    /// The caller could not keep a file that the ledger names.
    #[error("the files cannot be kept")]
    Files(#[from] io::Error),
}

/// Copies the ledger in the SQLite file `from` into the empty file `to`, as it is at one moment between two
/// commits. Servers and commands may use the ledger meanwhile.
///
/// `keep_file` is called from another thread for each file that the ledger names, first while the ledger is in
/// use, and a second time at the moment of the copy, during which nobody can write to the ledger. When the
/// second round ends, every needed file of the copied ledger exists and can be kept, because a server deletes
/// such a file only after a commit. A file that was kept in the first round should cost almost nothing in the
/// second one.
///
/// `now_ms` is the time that decides which results have expired.
///
/// # Errors
/// [`BackupError::Files`] with the first error of `keep_file`. [`BackupError::Ledger`] with [`Error::Busy`] if
/// the ledger is written to without a pause for 30 s.
pub async fn back_up_ledger(
    from: PathBuf,
    to: PathBuf,
    now_ms: i64,
    mut keep_file: impl FnMut(NamedFile) -> io::Result<()> + Send + 'static,
) -> Result<(), BackupError> {
    in_thread("ledger-backup", move || sqlite::back_up(&from, &to, now_ms, &mut keep_file)).await?
}
