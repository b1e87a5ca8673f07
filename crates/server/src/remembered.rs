//! Answers of the ledger that are kept for a moment, so that thousands of requests do not ask the same thing
//! thousands of times.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Answers remembered at once; while there are as many, further ones are asked for each time.
const MAX_ANSWERS: usize = 10_000;

/// Values by key, each for the same while.
pub struct Remembered<K, V> {
    fresh_for: Duration,
    answers: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    /// Nothing yet; what is put in is given out for `fresh_for`.
    pub fn new(fresh_for: Duration) -> Self {
        Self { fresh_for, answers: Mutex::new(HashMap::new()) }
    }

    /// The value, while it is fresh.
    pub fn get(&self, key: &K) -> Option<V> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = answers.get(key)?;
        (since.elapsed() < self.fresh_for).then(|| value.clone())
    }

    /// Keeps a value, if there is room once stale ones are gone.
    pub fn put(&self, key: K, value: V) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_ANSWERS {
            answers.retain(|_, (since, _)| since.elapsed() < self.fresh_for);
        }
        if answers.len() < MAX_ANSWERS {
            answers.insert(key, (Instant::now(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_given_out_while_it_is_fresh() {
        let remembered = Remembered::new(Duration::from_secs(1));
        remembered.put("key", 7);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(remembered.get(&"key"), Some(7));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(remembered.get(&"key"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn stale_answers_make_way_and_fresh_ones_do_not() {
        let remembered = Remembered::new(Duration::from_secs(1));
        for key in 0..MAX_ANSWERS {
            remembered.put(key, ());
        }
        remembered.put(MAX_ANSWERS, ());
        assert_eq!(remembered.get(&MAX_ANSWERS), None, "it is full");
        tokio::time::advance(Duration::from_secs(2)).await;
        remembered.put(MAX_ANSWERS, ());
        assert_eq!(remembered.get(&MAX_ANSWERS), Some(()));
    }
}
