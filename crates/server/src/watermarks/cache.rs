//! The files of the watermarks used last, in memory up to a bound. A watermark's file never changes, so nothing here can
//! be out of date; whether an account may use it is asked of the ledger each time.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Files by id. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Cache {
    max_bytes: usize,
    /// The one used last comes last.
    kept: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Cache {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, kept: Arc::default() }
    }

    pub(super) fn get(&self, id: &str) -> Option<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == id)?;
        let found = kept.remove(at);
        let bytes = found.1.clone();
        kept.push(found);
        Some(bytes)
    }

    /// Keeps a file; those not used for longest make way. One that is larger than the bound is not kept.
    pub(super) fn put(&self, id: String, bytes: Bytes) {
        if bytes.len() > self.max_bytes {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != id);
        kept.push((id, bytes));
        let mut n_bytes: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
        while n_bytes > self.max_bytes {
            n_bytes -= kept.remove(0).1.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_not_used_for_longest_make_way() {
        let cache = Cache::new(10);
        let put = |id: &str, n_bytes| cache.put(id.to_owned(), vec![0; n_bytes].into());
        let has = |id| cache.get(id).is_some();
        put("a", 4);
        put("b", 4);
        assert!(has("a"), "now it is the one used last");
        put("c", 4);
        assert_eq!([has("a"), has("b"), has("c")], [true, false, true]);
        put("d", 11);
        assert!(!has("d") && has("c"), "one that can never fit drives nobody out");
        put("c", 10);
        assert_eq!([has("a"), has("c")], [false, true]);
    }
}
