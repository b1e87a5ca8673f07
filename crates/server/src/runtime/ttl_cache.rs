//! A cache whose entries expire after a fixed time (time to live). The server keeps data of the ledger in
//! such caches if thousands of requests need the same data again and again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The largest number of entries in a cache. If a cache is full and none of its entries has expired, it does
/// not store new entries.
const MAX_ENTRIES: usize = 10_000;

/// A cache of values by key. A value expires when the time `ttl` has passed since the value was stored.
pub struct TtlCache<K, V> {
    ttl: Duration,
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> TtlCache<K, V> {
    /// Creates an empty cache.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, entries: Mutex::new(HashMap::new()) }
    }

    /// Returns the value of a key, if the cache has a value that has not expired.
    pub fn get(&self, key: &K) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = entries.get(key)?;
        (since.elapsed() < self.ttl).then(|| value.clone())
    }

    /// Stores a value. If the cache is full, the expired entries are removed first. If no entry has expired,
    /// the new value is not stored.
    pub fn put(&self, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, (since, _)| since.elapsed() < self.ttl);
        }
        if entries.len() < MAX_ENTRIES {
            entries.insert(key, (Instant::now(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cached_value_is_returned_until_it_expires() {
        let cache = TtlCache::new(Duration::from_secs(1));
        cache.put("key", 7);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(cache.get(&"key"), Some(7));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(cache.get(&"key"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_cache_stores_a_new_value_only_after_a_cached_value_has_expired() {
        let cache = TtlCache::new(Duration::from_secs(1));
        for key in 0..MAX_ENTRIES {
            cache.put(key, ());
        }
        cache.put(MAX_ENTRIES, ());
        assert_eq!(cache.get(&MAX_ENTRIES), None, "the cache is full");
        tokio::time::advance(Duration::from_secs(2)).await;
        cache.put(MAX_ENTRIES, ());
        assert_eq!(cache.get(&MAX_ENTRIES), Some(()));
    }
}
