//! Watermarks: pictures that an account uploaded once, to be laid over many.

use super::account::AccountId;

/// The row of a watermark. Its file has a key that follows from its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Names it among those of all accounts. Chosen by the caller, at random.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// The name it was uploaded with.
    pub name: String,
    /// Its format, as answers call it.
    pub format: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-1 of the file's bytes, in hex.
    pub sha1: String,
    /// When it was made.
    pub created_ms: i64,
}

/// How many watermarks an account may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkQuota {
    /// Watermarks.
    pub count: u64,
    /// Bytes of their files together.
    pub bytes: u64,
}

/// What became of a watermark that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatermarkAdded {
    /// It is there.
    Added,
    /// The account has too many; nothing was changed.
    TooMany,
    /// The account's have too many bytes; nothing was changed.
    TooManyBytes,
}

/// A part of the watermarks of an account, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatermarkPage {
    /// How many there are in all.
    pub total: u64,
    /// Those of this page.
    pub watermarks: Vec<Watermark>,
}
