//! Our own files: uploaded inputs while their job lives, and results for as long as they are kept. A directory now,
//! behind `object_store` so that a bucket is a second constructor. Every key is unique and never overwritten, and a
//! put returns only when the bytes and their directory entry are on disk. What is small is no file: it rides in the
//! ledger's commit, which costs less than a flush of its own.

mod unfinished;

use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use pixaven_ledger::Content;
use std::sync::Arc;
use uuid::Uuid;

use crate::error::{ApiError, Kind};

/// Where uploaded inputs wait for their job.
const INPUTS: &str = "inputs";
/// Where results are kept.
const RESULTS: &str = "results";
/// Where watermarks are kept.
const WATERMARKS: &str = "watermarks";

/// Up to this size an upload or a result stands in the ledger.
const INLINE_MAX_BYTES: usize = 16 << 10;

/// The files of this server. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    root: PathBuf,
}

/// A result being read: its body arrives in pieces.
pub struct Download {
    /// The bytes asked for.
    pub body: BoxStream<'static, Result<Bytes, object_store::Error>>,
}

impl Blobs {
    /// Files below `root`, which is created when missing.
    pub fn directory(root: &FsPath) -> Result<Self, object_store::Error> {
        std::fs::create_dir_all(root)
            .map_err(|source| object_store::Error::Generic { store: "blobs", source: source.into() })?;
        let store = LocalFileSystem::new_with_prefix(root)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), root: root.to_owned() })
    }

    /// The key of an uploaded input.
    pub fn input_key(id: Uuid) -> String {
        format!("{INPUTS}/{id}")
    }

    /// The key of a watermark. Its id is random, so it is new each time.
    pub fn watermark_key(id: &str) -> String {
        format!("{WATERMARKS}/{id}")
    }

    /// A key for a result, by day, so that what is left of a day can be removed at once. Another one each time: a job
    /// that is tried again after a crash must not find its key taken by the try before it.
    pub fn new_result_key(id: Uuid, day: &str, extension: &str) -> String {
        let unique = Uuid::new_v4().simple();
        format!("{RESULTS}/{day}/{id}-{unique}.{extension}")
    }

    /// Keeps `bytes`: small ones for the ledger to write, others durably as a file under `key`, which must be new.
    pub async fn keep(&self, key: String, bytes: Bytes) -> Result<Content, ApiError> {
        if bytes.len() <= INLINE_MAX_BYTES {
            return Ok(Content::Inline(bytes));
        }
        self.put(&key, bytes).await?;
        Ok(Content::File { key })
    }

    /// Reads all of what was kept; `None` when there is none.
    pub async fn read(&self, content: &Content) -> Result<Option<Bytes>, ApiError> {
        match content {
            Content::Inline(bytes) => Ok(Some(bytes.clone())),
            Content::File { key } => self.get(key).await,
        }
    }

    /// Removes the file of what was kept, if it has one; one that is gone already is fine.
    pub async fn remove(&self, content: &Content) -> Result<(), ApiError> {
        match content {
            Content::Inline(_) => Ok(()),
            Content::File { key } => self.delete(key).await,
        }
    }

    /// Stores `bytes` durably under a key that must be new.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ApiError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.store.put_opts(&Path::from(key), bytes.into(), options).await.map_err(not_stored)?;
        Ok(())
    }

    /// Reads a whole blob; `None` when there is none.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, ApiError> {
        let found = match self.store.get(&Path::from(key)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(not_read(error)),
        };
        found.bytes().await.map(Some).map_err(not_read)
    }

    /// Opens what was kept, or the part of it that `range` names, for sending; `None` when there is none.
    pub async fn open(
        &self,
        content: &Content,
        range: Option<Range<u64>>,
    ) -> Result<Option<Download>, ApiError> {
        let key = match content {
            Content::Inline(bytes) => {
                let part = part(bytes, range)?;
                return Ok(Some(Download { body: stream::once(ready(Ok(part))).boxed() }));
            }
            Content::File { key } => key,
        };
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.store.get_opts(&Path::from(key.as_str()), options).await {
            Ok(found) => Ok(Some(Download { body: found.into_stream() })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(not_read(error)),
        }
    }

    /// Removes a blob; one that is gone already is fine.
    pub async fn delete(&self, key: &str) -> Result<(), ApiError> {
        match self.store.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(not_read(error)),
        }
    }

    /// The ids of all stored inputs last written before `before_ms`, for the sweep of orphans.
    pub async fn inputs_before(&self, before_ms: i64) -> Result<Vec<Uuid>, ApiError> {
        let names = self.names_before(INPUTS, before_ms).await?;
        Ok(names.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect())
    }

    /// The ids of all stored watermarks last written before `before_ms`, for the sweep of orphans.
    pub async fn watermarks_before(&self, before_ms: i64) -> Result<Vec<String>, ApiError> {
        self.names_before(WATERMARKS, before_ms).await
    }

    /// Removes what a crash cut off while it was being stored, if it was last written before `before_ms`. Returns how many.
    pub async fn remove_unfinished_before(&self, before_ms: i64) -> Result<u64, ApiError> {
        let root = self.root.clone();
        let removed = tokio::task::spawn_blocking(move || unfinished::remove_before(&root, before_ms)).await;
        removed.map_err(ApiError::internal)?.map_err(not_read)
    }

    async fn names_before(&self, prefix: &str, before_ms: i64) -> Result<Vec<String>, ApiError> {
        let mut listed = self.store.list(Some(&Path::from(prefix)));
        let mut names = Vec::new();
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(not_read)?;
            let name = meta.location.filename();
            names.extend(
                name.filter(|_| meta.last_modified.timestamp_millis() < before_ms).map(str::to_owned),
            );
        }
        Ok(names)
    }

    /// Removes all results of days before `day`, when no row can name one of them any more: what tries left behind that a
    /// crash cut off between storing their result and committing it. Returns how many.
    pub async fn remove_results_before(&self, day: &str) -> Result<u64, ApiError> {
        let days = self.store.list_with_delimiter(Some(&Path::from(RESULTS))).await.map_err(not_read)?;
        let is_over = |prefix: &Path| prefix.filename().is_some_and(|name| name < day);
        let mut n_removed = 0;
        for prefix in days.common_prefixes.into_iter().filter(is_over) {
            let mut listed = self.store.list(Some(&prefix));
            while let Some(meta) = listed.next().await {
                self.delete(meta.map_err(not_read)?.location.as_ref()).await?;
                n_removed += 1;
            }
        }
        Ok(n_removed)
    }
}

/// The bytes of `range`, which was measured by the size that is told of them.
fn part(bytes: &Bytes, range: Option<Range<u64>>) -> Result<Bytes, ApiError> {
    let Some(range) = range else { return Ok(bytes.clone()) };
    let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
    if end > bytes.len() {
        return Err(ApiError::internal("a result is smaller than its row says"));
    }
    Ok(bytes.slice(start..end))
}

/// A blob that could not be written: the disk is full or broken, and the caller may try later.
fn not_stored(error: object_store::Error) -> ApiError {
    ApiError::new(Kind::Unavailable, "the server cannot store files at the moment; try again later")
        .with_source(error)
}

/// A blob that is there but could not be read or removed: this machine's trouble.
fn not_read(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ApiError {
    ApiError::new(Kind::Unavailable, "the server cannot read its files at the moment; try again later")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_tried_again_after_a_crash_can_store_its_result() {
        let dir = tempfile::tempdir().expect("a directory");
        let blobs = Blobs::directory(dir.path()).expect("a store");
        let id = Uuid::from_u128(1);
        for attempt in [b"first", b"again"] {
            let key = Blobs::new_result_key(id, "2026-01-10", "jpg");
            blobs.put(&key, Bytes::from_static(attempt)).await.expect("a free key");
            assert_eq!(blobs.get(&key).await.expect("a blob").as_deref(), Some(attempt.as_slice()));
        }
    }
}
