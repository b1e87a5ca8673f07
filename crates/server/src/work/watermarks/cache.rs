//! An LRU cache of watermark files, whose total size in bytes is limited. A watermark's file never changes,
//! so an entry cannot be out of date. The cache does not know which account may use a watermark: the ledger
//! decides this question for every request.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// The cached files by watermark id. A clone is cheap, and all clones share the entries.
#[derive(Clone)]
pub(super) struct Cache {
    max_bytes: usize,
    /// The ids and the bytes of the files, in the order of their last use. The last element was used most
    /// recently.
    entries: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Cache {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, entries: Arc::default() }
    }

    pub(super) fn get(&self, id: &str) -> Option<Bytes> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|(known, _)| known == id)?;
        let found = entries.remove(at);
        let bytes = found.1.clone();
        entries.push(found);
        Some(bytes)
    }

    /// Adds a file and evicts the least recently used files until all files fit into the cache. A file that
    /// is larger than the whole cache is not added.
    pub(super) fn put(&self, id: String, bytes: Bytes) {
        if bytes.len() > self.max_bytes {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(known, _)| *known != id);
        entries.push((id, bytes));
        let mut n_bytes: usize = entries.iter().map(|(_, bytes)| bytes.len()).sum();
        while n_bytes > self.max_bytes {
            n_bytes -= entries.remove(0).1.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_watermark_cache_evicts_the_least_recently_used_files() {
        let cache = Cache::new(10);
        let put = |id: &str, n_bytes| cache.put(id.to_owned(), vec![0; n_bytes].into());
        let has = |id| cache.get(id).is_some();
        put("a", 4);
        put("b", 4);
        assert!(has("a"), "a is the file used last");
        put("c", 4);
        assert_eq!([has("a"), has("b"), has("c")], [true, false, true]);
        put("d", 11);
        assert!(!has("d") && has("c"), "a file that can never fit evicts nothing");
        put("c", 10);
        assert_eq!([has("a"), has("c")], [false, true]);
    }
}
