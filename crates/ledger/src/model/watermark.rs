//! Watermarks: images that an account uploads, and that its requests place on top of other images.

use super::account::AccountId;

/// A watermark. The key of its file in the blob store is derived from the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The id, unique among the watermarks of all accounts. The caller chooses a random id.
    pub id: String,
    /// The account that owns the watermark.
    pub account: AccountId,
    /// The file name of the upload.
    pub name: String,
    /// The name of the image format, as API answers show it.
    pub format: String,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// SHA-1 of the file's bytes, in hexadecimal.
    pub sha1: String,
    /// The time at which the watermark was added.
    pub created_ms: i64,
}

/// The limits on the watermarks of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkQuota {
    /// The largest number of watermarks.
    pub count: u64,
    /// The largest total size of the watermark files in bytes.
    pub bytes: u64,
}

/// The outcome of adding a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddWatermarkOutcome {
    /// The watermark was added.
    Added,
    /// The account already has the largest allowed number of watermarks. Nothing was changed.
    TooMany,
    /// With the new watermark, the account's files would exceed the largest allowed total size. Nothing was
    /// changed.
    TooManyBytes,
}

/// One page of the watermarks of an account, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatermarkPage {
    /// The number of watermarks on all pages.
    pub total: u64,
    /// The watermarks on this page.
    pub watermarks: Vec<Watermark>,
}
