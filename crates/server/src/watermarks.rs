//! Watermarks that accounts upload once to lay them over many images: added, found, removed. Where their rows are is the
//! ledger's knowledge, their files are blobs.
//!
//! A removed watermark is gone for new requests at once. Its file stays until no request that was accepted before waits
//! for its processing any more: what was promised with 202 is kept.

mod cache;

use bytes::Bytes;
use pixaven_imaging::plan::{Format, Gravity, Kernel, Output, Resize, ResizeMode, Target};
use pixaven_imaging::{Plan, Processed};
use pixaven_ledger::{AccountId, Ledger, Watermark, WatermarkAdded, WatermarkQuota};

use self::cache::Cache;
use crate::blobs::Blobs;
use crate::error::ApiError;
use crate::jobs::was_not_written;
use crate::request::WatermarkSource;
use crate::sandbox::{Files, Patience, Sandbox};
use crate::source::{Obtained, Sources, not_empty};

/// Characters of an id.
const ID_CHARS: usize = 10;
const ALPHANUMERICS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 248 is the largest multiple of 62 a byte can hold: dropping what lies above keeps every character equally likely.
const UNBIASED_BELOW: u8 = 248;

/// The watermarks of all accounts. Cheap to clone.
#[derive(Clone)]
pub struct Watermarks {
    ledger: Ledger,
    blobs: Blobs,
    quota: WatermarkQuota,
    cache: Cache,
}

/// The picture of a watermark on its way to an image.
pub enum Found {
    /// Uploaded.
    Uploaded(Watermark),
    /// To be fetched.
    Url(url::Url),
}

impl Watermarks {
    /// Over a ledger and its files; the files used last are kept in `cache_bytes` of memory.
    pub fn new(ledger: Ledger, blobs: Blobs, quota: WatermarkQuota, cache_bytes: usize) -> Self {
        Self { ledger, blobs, quota, cache: Cache::new(cache_bytes) }
    }

    /// Keeps a picture as a watermark of an account, once a worker has decoded it.
    pub async fn add(
        &self,
        sandbox: &Sandbox,
        account: AccountId,
        name: Option<String>,
        bytes: Bytes,
        patience: Patience,
    ) -> Result<Watermark, ApiError> {
        not_empty(&bytes)?;
        let files = Files { image: bytes.clone(), watermark: None };
        let looked_at = sandbox.process(&files, &look(), patience).await;
        let Processed { input, .. } = looked_at.map_err(ApiError::from)?;
        let id = new_id().map_err(ApiError::internal)?;
        let watermark = Watermark {
            name: name.unwrap_or_else(|| format!("watermark.{}", input.format.extension())),
            account,
            format: input.format.name().to_owned(),
            width: input.width,
            height: input.height,
            bytes: input.bytes,
            sha1: input.sha1,
            created_ms: self.ledger.clock().now_ms(),
            id,
        };
        let key = Blobs::watermark_key(&watermark.id);
        self.blobs.put(&key, bytes).await?;
        let added = self.ledger.add_watermark(watermark.clone(), self.quota).await;
        // After any other failure the row may be there; the sweep knows.
        let is_not_kept = match &added {
            Ok(added) => *added != WatermarkAdded::Added,
            Err(error) => was_not_written(error),
        };
        if is_not_kept {
            self.blobs.delete(&key).await?;
        }
        let WatermarkQuota { count, bytes } = self.quota;
        match added? {
            WatermarkAdded::Added => Ok(watermark),
            WatermarkAdded::TooMany => Err(ApiError::invalid(format!(
                "an account may keep {count} watermarks, and this one does; remove one first"
            ))),
            WatermarkAdded::TooManyBytes => Err(ApiError::invalid(format!(
                "the watermarks of an account may have {bytes} bytes together; with this one they would have more"
            ))),
        }
    }

    /// Finds the watermark of a request. Who waits for the answer finds those that are there; a job also finds one that
    /// was removed since its request was accepted.
    pub async fn find(
        &self,
        account: AccountId,
        source: &WatermarkSource,
        patience: Patience,
    ) -> Result<Found, ApiError> {
        let id = match source {
            WatermarkSource::Url(url) => return Ok(Found::Url(url.clone())),
            WatermarkSource::Id(id) => id,
        };
        let row = match patience {
            Patience::Refuse => self.ledger.watermark(account, id).await?,
            Patience::Wait => self.ledger.accepted_watermark(account, id).await?,
        };
        let unknown = || ApiError::invalid(format!("watermark.id {id:?} is no watermark of this account"));
        row.map(Found::Uploaded).ok_or_else(unknown)
    }

    /// Its bytes. A watermark takes memory only if it is free at once: who has an image in memory must not wait for more.
    pub async fn obtain(
        &self,
        found: Found,
        sources: &Sources,
        patience: Patience,
    ) -> Result<Obtained, ApiError> {
        let watermark = match found {
            Found::Url(url) => return sources.fetch("watermark.url", &url, &[], patience).await,
            Found::Uploaded(watermark) => watermark,
        };
        let mut reservation = sources.memory_for(patience).reserve();
        if let Some(bytes) = self.cache.get(&watermark.id) {
            return Ok(Obtained::new(bytes, None, reservation));
        }
        reservation.grow(usize::try_from(watermark.bytes).map_err(ApiError::internal)?)?;
        let bytes = self.blobs.get(&Blobs::watermark_key(&watermark.id)).await?;
        let gone = || ApiError::internal(format!("the file of the watermark {} is gone", watermark.id));
        let bytes = bytes.ok_or_else(gone)?;
        self.cache.put(watermark.id, bytes.clone());
        Ok(Obtained::new(bytes, None, reservation))
    }
}

/// A plan that decodes a picture and makes next to nothing of it.
fn look() -> Plan {
    Plan {
        resize: Some(Resize {
            mode: ResizeMode::Exact,
            width: Some(1),
            height: Some(1),
            gravity: Gravity::Center,
            upscale: true,
            background: None,
            kernel: Kernel::Box,
        }),
        output: Output { format: Target::Format(Format::Png), ..Output::default() },
        ..Plan::default()
    }
}

/// Whether a text has the form of an id: ten letters and digits.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// An id nobody can guess: 62^10 is a little less than 60 bits.
fn new_id() -> Result<String, getrandom::Error> {
    let (mut id, mut bytes) = (String::new(), [0; ID_CHARS]);
    while id.len() < ID_CHARS {
        getrandom::fill(&mut bytes)?;
        let n_missing = ID_CHARS - id.len();
        let unbiased = bytes.iter().filter(|&&byte| byte < UNBIASED_BELOW).take(n_missing);
        id.extend(unbiased.map(|&byte| char::from(ALPHANUMERICS[usize::from(byte % 62)])));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ten_letters_and_digits() {
        let first = new_id().expect("randomness");
        assert!(is_id(&first), "{first}");
        assert_ne!(first, new_id().expect("randomness"));
        for wrong in ["", "abcdefghi", "abcdefghijk", "abcdefghi/", "äbcdefghi", "abcdefghi "] {
            assert!(!is_id(wrong), "{wrong:?}");
        }
    }
}
