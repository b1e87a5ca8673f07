//! The types of watermarks. A watermark is an image that an account uploads, and that the requests of the
//! account place on top of other images.

use super::account::AccountId;

/// A watermark of an account. The key of the watermark's file in the blob store is derived from the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The id of the watermark, unique among the watermarks of all accounts. The caller chooses a random id.
    pub id: String,
    /// The account that owns the watermark.
    pub account: AccountId,
    /// The file name with which the watermark was uploaded.
    pub name: String,
    /// The name of the image format, as the API shows it.
    pub format: String,
    /// The width of the watermark in pixels.
    pub width: u32,
    /// The height of the watermark in pixels.
    pub height: u32,
    /// The size of the watermark's file in bytes.
    pub bytes: u64,
    /// The SHA-1 hash of the file's bytes, in hexadecimal.
    pub sha1: String,
    /// The time at which the watermark was added.
    pub created_ms: i64,
}

/// The limits on the stored watermarks of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkQuota {
    /// The largest number of watermarks that an account may store.
    pub count: u64,
    /// The largest total size of an account's watermark files in bytes.
    pub bytes: u64,
}

/// The outcome of an attempt to add a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddWatermarkOutcome {
    /// The watermark was added.
    Added,
    /// The account already has as many watermarks as its quota allows. Nothing was changed.
    TooMany,
    /// The new watermark would raise the total size of the account's watermark files above the quota. Nothing
    /// was changed.
    TooManyBytes,
}

/// One page of the watermarks of an account, newest watermark first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatermarkPage {
    /// The number of watermarks on all pages together.
    pub total: u64,
    /// The watermarks on this page.
    pub watermarks: Vec<Watermark>,
}
