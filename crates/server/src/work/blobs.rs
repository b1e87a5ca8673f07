//! The server's own files: uploaded inputs while their job is unfinished, results until they expire, and
//! watermarks.
//!
//! The files are in a directory or in a bucket, and are accessed through the trait `ObjectStore`. Every key is
//! unique. Storing a file returns only after the bytes and the directory entry are on disk, or after the bucket
//! has acknowledged the object. Contents of at most 16 KiB are stored in a row of the ledger instead of in a file,
//! because a commit of the ledger costs less than a separate flush of a file.

mod bucket;
mod day_directory;
mod http;
mod unfinished;

use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Attribute, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use pixaven_ledger::{StoredContent, create_durable_directory};
use pixaven_net::Net;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

pub use bucket::BucketSettings;

use bucket::Bucket;

use super::error::{Cause, WorkError};
use crate::runtime::telemetry::with_causes;

/// The name of the directory that holds uploaded inputs until their job ends.
const INPUTS: &str = "inputs";
/// The name of the directory that holds the results.
const RESULTS: &str = "results";
/// The name of the directory that holds the watermarks.
const WATERMARKS: &str = "watermarks";

/// The largest size, in bytes, of an upload or a result that is stored in the ledger instead of in a file.
const INLINE_MAX_BYTES: usize = 16 << 10;

/// Reads and writes the files of this server. A clone is cheap.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    place: Place,
}

/// What differs between a directory and a bucket.
#[derive(Clone)]
enum Place {
    Directory {
        root: PathBuf,
        /// The directory of results that was created last, and whose name is durable.
        durable_day: Arc<Mutex<PathBuf>>,
    },
    Bucket(Arc<Bucket>),
}

/// The bytes of a stored upload or result, as a stream of chunks.
pub type BlobStream = BoxStream<'static, Result<Bytes, object_store::Error>>;

impl Blobs {
    /// Opens the directory `root`, which holds the files of this server. Creates the directories that do not
    /// exist. When the function returns, their names are durable.
    pub fn directory(root: &FsPath) -> Result<Self, object_store::Error> {
        for directory in [INPUTS, RESULTS, WATERMARKS] {
            create_durable_directory(&root.join(directory))
                .map_err(|source| object_store::Error::Generic { store: "blobs", source: source.into() })?;
        }
        let store = LocalFileSystem::new_with_prefix(root)?.with_fsync(true);
        let place = Place::Directory { root: root.to_owned(), durable_day: Arc::default() };
        Ok(Self { store: Arc::new(store), place })
    }

    /// Creates the client of a bucket, which sends its requests through `net`. Opens no connection, so that a
    /// server also starts while the bucket is away.
    pub fn bucket(settings: &BucketSettings, net: Net) -> Result<Self, object_store::Error> {
        let bucket = Bucket::open(settings, net)?;
        Ok(Self { store: Arc::clone(&bucket.objects), place: Place::Bucket(Arc::new(bucket)) })
    }

    /// Returns the key of the file that holds the uploaded input of a request.
    pub fn input_key(id: Uuid) -> String {
        format!("{INPUTS}/{id}")
    }

    /// Returns the key of the file that holds a watermark. The watermark's id is random, so the key is
    /// unique.
    pub fn watermark_key(id: &str) -> String {
        format!("{WATERMARKS}/{id}")
    }

    /// Creates the key for the file of a result. The key contains a day in the form `2026-01-10`, so that the
    /// background task `sweep` can remove all results of that day.
    ///
    /// Two calls never return the same key, because a job that is run again after a crash must not collide
    /// with the file of the interrupted run.
    pub fn new_result_key(id: Uuid, day: &str, extension: &str) -> String {
        let unique = Uuid::new_v4().simple();
        format!("{RESULTS}/{day}/{id}-{unique}.{extension}")
    }

    /// Stores the bytes of an upload or a result. At most 16 KiB are returned as `StoredContent::Inline`, and
    /// the caller writes them to the ledger. A larger number of bytes is written durably to a file under
    /// `key`, under which no file may exist yet. An object in a bucket gets the given media type.
    pub async fn store(
        &self,
        key: String,
        bytes: Bytes,
        media_type: Option<&str>,
    ) -> Result<StoredContent, WorkError> {
        if bytes.len() <= INLINE_MAX_BYTES {
            return Ok(StoredContent::Inline(bytes));
        }
        self.put_with_type(&key, bytes, media_type).await?;
        Ok(StoredContent::File { key })
    }

    /// Deletes the file of a stored upload or result if the ledger certainly did not write the row that
    /// refers to the file. In all other cases the row may exist, so the file is kept. If no row refers to the
    /// kept file, the sweep deletes the file later.
    pub async fn undo_if_rolled_back<T>(
        &self,
        content: &StoredContent,
        written: &Result<T, pixaven_ledger::Error>,
    ) {
        if !written.as_ref().is_err_and(is_rolled_back) {
            return;
        }
        if let Err(error) = self.remove(content).await {
            tracing::warn!(
                ?content,
                error = with_causes(&error),
                "a file without a row could not be removed"
            );
        }
    }

    /// Reads all bytes of a stored upload or result. Returns `None` if they are in a file that does not
    /// exist.
    pub async fn read(&self, content: &StoredContent) -> Result<Option<Bytes>, WorkError> {
        match content {
            StoredContent::Inline(bytes) => Ok(Some(bytes.clone())),
            StoredContent::File { key } => self.get(key).await,
        }
    }

    /// Deletes the file of a stored upload or result, if its bytes are in a file. A missing file is no error.
    pub async fn remove(&self, content: &StoredContent) -> Result<(), WorkError> {
        match content {
            StoredContent::Inline(_) => Ok(()),
            StoredContent::File { key } => self.delete(key).await,
        }
    }

    /// Writes a file durably. No file may exist under `key` yet.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), WorkError> {
        self.put_with_type(key, bytes, None).await
    }

    async fn put_with_type(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: Option<&str>,
    ) -> Result<(), WorkError> {
        let mut options = PutOptions::default();
        match &self.place {
            Place::Directory { root, durable_day } => {
                day_directory::create(root, durable_day, key).await?;
                options.mode = PutMode::Create;
            }
            // An object may be replaced, because a request whose answer was lost is repeated. The key is unique,
            // so that the object can only be the same.
            Place::Bucket(_) => {
                if let Some(media_type) = media_type {
                    options.attributes.insert(Attribute::ContentType, media_type.to_owned().into());
                }
            }
        }
        let put = self.store.put_opts(&Path::from(key), bytes.into(), options).await;
        put.map(drop).map_err(|error| WorkError::StorageWrite(error.into()))
    }

    /// Reads a whole file. Returns `None` if the file does not exist.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, WorkError> {
        let found = match self.store.get(&Path::from(key)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(read_error(error)),
        };
        found.bytes().await.map(Some).map_err(read_error)
    }

    /// Opens a stored upload or result to send all of its bytes, or only the bytes in `range`. Returns `None`
    /// if the bytes are in a file that does not exist.
    pub async fn open(
        &self,
        content: &StoredContent,
        range: Option<Range<u64>>,
    ) -> Result<Option<BlobStream>, WorkError> {
        let key = match content {
            StoredContent::Inline(bytes) => {
                let part = slice(bytes, range)?;
                return Ok(Some(stream::once(ready(Ok(part))).boxed()));
            }
            StoredContent::File { key } => key,
        };
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.store.get_opts(&Path::from(key.as_str()), options).await {
            Ok(found) => Ok(Some(found.into_stream())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(read_error(error)),
        }
    }

    /// Returns a URL under which everybody can download an upload or a result for `valid`. Returns `None` if the
    /// bytes are not in a bucket.
    pub async fn signed_url(
        &self,
        content: &StoredContent,
        valid: Duration,
    ) -> Result<Option<Url>, WorkError> {
        let (Place::Bucket(bucket), StoredContent::File { key }) = (&self.place, content) else {
            return Ok(None);
        };
        let path = bucket.prefix.parts().chain(Path::from(key.as_str()).parts()).collect();
        bucket.signer.signed_url(Method::GET, &path, valid).await.map(Some).map_err(read_error)
    }

    /// Deletes a file. A missing file is no error.
    pub async fn delete(&self, key: &str) -> Result<(), WorkError> {
        match self.store.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(read_error(error)),
        }
    }

    /// Lists the ids of the requests whose stored inputs were last written before `before_ms`.
    pub async fn inputs_before(&self, before_ms: i64) -> Result<Vec<Uuid>, WorkError> {
        let names = self.names_before(INPUTS, before_ms).await?;
        Ok(names.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect())
    }

    /// Lists the ids of the stored watermarks that were last written before `before_ms`.
    pub async fn watermarks_before(&self, before_ms: i64) -> Result<Vec<String>, WorkError> {
        self.names_before(WATERMARKS, before_ms).await
    }

    /// Removes files that a crash left incomplete, if they were last written before `before_ms`. Returns the
    /// number of removed files.
    pub async fn remove_unfinished_before(&self, before_ms: i64) -> Result<u64, WorkError> {
        // A bucket has an object completely or not at all.
        let Place::Directory { root, .. } = &self.place else { return Ok(0) };
        let root = root.clone();
        let removed = tokio::task::spawn_blocking(move || unfinished::remove_before(&root, before_ms)).await;
        removed.map_err(WorkError::internal)?.map_err(read_error)
    }

    async fn names_before(&self, prefix: &str, before_ms: i64) -> Result<Vec<String>, WorkError> {
        let mut listed = self.store.list(Some(&Path::from(prefix)));
        let mut names = Vec::new();
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(read_error)?;
            let name = meta.location.filename();
            names.extend(
                name.filter(|_| meta.last_modified.timestamp_millis() < before_ms).map(str::to_owned),
            );
        }
        Ok(names)
    }

    /// Removes all result files of the days before `day`, which has the form `2026-01-10`. No row of the
    /// ledger refers to these files any more: each file belongs to a run that crashed after it stored the
    /// result and before it committed the row of the result. Returns the number of removed files.
    pub async fn remove_results_before(&self, day: &str) -> Result<u64, WorkError> {
        let days = self.store.list_with_delimiter(Some(&Path::from(RESULTS))).await.map_err(read_error)?;
        let is_over = |prefix: &Path| prefix.filename().is_some_and(|name| name < day);
        let mut n_removed = 0;
        for prefix in days.common_prefixes.into_iter().filter(is_over) {
            let mut listed = self.store.list(Some(&prefix));
            while let Some(meta) = listed.next().await {
                self.delete(meta.map_err(read_error)?.location.as_ref()).await?;
                n_removed += 1;
            }
        }
        Ok(n_removed)
    }
}

/// Returns whether a ledger operation that failed with `error` certainly changed nothing. After any other
/// error the operation may have been committed.
pub fn is_rolled_back(error: &pixaven_ledger::Error) -> bool {
    matches!(error, pixaven_ledger::Error::LostLease | pixaven_ledger::Error::Busy)
}

/// Returns the bytes in `range` of an upload or result that is stored in a ledger row. The caller computed
/// `range` from the size that the row states.
fn slice(bytes: &Bytes, range: Option<Range<u64>>) -> Result<Bytes, WorkError> {
    let Some(range) = range else { return Ok(bytes.clone()) };
    let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
    if end > bytes.len() {
        return Err(WorkError::internal("a result is smaller than its row says"));
    }
    Ok(bytes.slice(start..end))
}

fn read_error(error: impl Into<Cause>) -> WorkError {
    WorkError::StorageRead(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_is_run_again_after_a_crash_can_store_its_result() {
        let dir = tempfile::tempdir().expect("a temporary directory can be created");
        let blobs = Blobs::directory(dir.path()).expect("the directory can be opened");
        let id = Uuid::from_u128(1);
        for attempt in [b"first", b"again"] {
            let key = Blobs::new_result_key(id, "2026-01-10", "jpg");
            blobs.put(&key, Bytes::from_static(attempt)).await.expect("the key is new");
            assert_eq!(
                blobs.get(&key).await.expect("the file can be read").as_deref(),
                Some(attempt.as_slice())
            );
        }
    }
}
