//! What can go wrong, by whose fault it is and what the caller can do about it.

use std::path::PathBuf;

use crate::model::account::AccountId;
use crate::model::webhook::WebhookStatus;

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The work was taken from its holder: the lease ran out, or the server was restarted. Whoever holds it now
    /// decides; the late holder drops what it has.
    #[error("the lease was lost")]
    LostLease,

    /// Too much is waiting, the disk takes nothing more or another process holds the file. May be tried again.
    #[error("the ledger is busy")]
    Busy,

    /// A flush to disk failed, so nobody can say what is durable. Nothing is answered until a restart has read the
    /// truth back from the disk.
    #[error("the ledger could not flush to disk and stopped; restart the server")]
    Poisoned,

    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,

    /// A key, request or result with this identity exists already.
    #[error("it exists already")]
    Exists,

    /// The webhook cannot be treated like this in the status it has.
    #[error("the webhook is {0}")]
    NotNow(WebhookStatus),

    /// The caller named an account that does not exist.
    #[error("there is no account {0}")]
    UnknownAccount(AccountId),

    /// The directory or file of the database cannot be made.
    #[error("cannot create {}", path.display())]
    Create {
        /// The file that was to be made.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// The file is a database, but of another program.
    #[error("{} is not a pixaven ledger", path.display())]
    NotALedger {
        /// The file that was to be opened.
        path: PathBuf,
    },

    /// The database was written by a newer version of this program.
    #[error("the database has version {found}, this program knows up to {known}: use a newer program")]
    TooNew {
        /// Version of the database.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },

    /// A row says what it cannot say, or one that must be there is missing.
    #[error("the database is damaged: {0}")]
    Corrupt(String),

    /// The database failed in a way that none of the above describes.
    #[error("the database failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}
