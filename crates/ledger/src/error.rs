//! The errors of the ledger. The documentation of each error says how the caller can react to the error.

use std::path::PathBuf;

use crate::model::account::AccountId;
use crate::model::webhook::WebhookStatus;

/// The reason why an operation of the ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller no longer holds the lease: the lease ran out, or the server was restarted. Another caller
    /// may hold a lease on the same work now, so this caller must discard its own result.
    #[error("the lease was lost")]
    LostLease,

    /// Too many operations wait, the disk is full, or another process has locked the database file. The
    /// caller may try the operation again later.
    #[error("the ledger is busy")]
    Busy,

    /// The server of the database cannot be reached, or cannot work now. The caller may try the operation
    /// again later. If the ledger is closed while the server is away, an operation may have been committed
    /// although it fails with this error.
    #[error("the database cannot be reached")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// A flush to disk failed, so it is unknown which data the disk contains. Every operation fails until a
    /// restart, which reads the data from the disk again.
    #[error("the ledger could not flush to disk and stopped; restart the server")]
    Poisoned,

    /// The ledger was closed before or during the operation.
    #[error("the ledger is closed")]
    Closed,

    /// A key, request, result or watermark with the same id already exists.
    #[error("it exists already")]
    Exists,

    /// The operation is not allowed for a webhook in its current status.
    #[error("the webhook is {0}")]
    WrongStatus(WebhookStatus),

    /// No account has the given id.
    #[error("there is no account {0}")]
    UnknownAccount(AccountId),

    /// The directory or the file of the database cannot be created.
    #[error("cannot create {}", path.display())]
    Create {
        /// The path of the file that should be created.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },

    /// The file is not an SQLite database, or another program created the database.
    #[error("{} is not a pixaven ledger", path.display())]
    NotALedger {
        /// The path of the file that should be opened.
        path: PathBuf,
    },

    /// The URL of the database cannot be used. The value says why, and contains no part of the URL.
    #[error("the URL of the database cannot be used: {0}")]
    InvalidUrl(&'static str),

    /// A newer version of this program wrote the database.
    #[error("the database has version {found}, this program knows up to {known}: use a newer program")]
    TooNew {
        /// The version of the schema in the database.
        found: i64,
        /// The newest schema version that this program can read.
        known: i64,
    },

    /// The schema of the database is older than this program needs, and the operation migrates no schema.
    #[error(
        "the database has version {found}, this program needs {known}: start a server of this version once"
    )]
    TooOld {
        /// The version of the schema in the database, 0 if there is none.
        found: i64,
        /// The schema version that this program needs.
        known: i64,
    },

    /// The copy of a ledger into the database was begun and has not finished.
    #[error("a copy into the database has not finished: run `pixaven ledger copy` again")]
    UnfinishedCopy,

    /// A row contains a value that the ledger never writes, or a required row is missing.
    #[error("the database is damaged: {0}")]
    Corrupt(String),

    /// The database failed for a reason that no other variant of this enum describes.
    #[error("the database failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Returns whether the operation may succeed if the caller repeats it a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Away(_))
    }
}
