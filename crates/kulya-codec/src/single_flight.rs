//! A cache of registry responses that never change, below [`EncodingCache`](crate::EncodingCache) and
//! [`CachedRegistry`](crate::CachedRegistry): concurrent requests for one key make one call. By
//! `quick_cache`.

use crate::RegistryResult;
use quick_cache::sync::Cache;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

/// Responses by key. Callers that wait for one call share its result, also an error; an error is not cached
/// for later callers. Entries do not expire, so cached responses outlive an outage of the registry.
pub(crate) struct SingleFlightCache<K, V> {
    responses: Cache<K, RegistryResult<V>>,
    /// The number of invalidations: a call that an invalidation overtakes is not cached.
    invalidations: AtomicU64,
}

impl<K: Hash + Eq + Clone, V: Clone> SingleFlightCache<K, V> {
    /// Creates a cache of at most `capacity` responses; further ones evict others.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { responses: Cache::new(capacity), invalidations: AtomicU64::new(0) }
    }

    /// Returns the cached response, or that of `call`. When the caller is cancelled, one of those that wait
    /// makes its own call.
    pub(crate) async fn get<F: Future<Output = RegistryResult<V>>>(
        &self,
        key: K,
        call: impl FnOnce() -> F,
    ) -> RegistryResult<V> {
        let guard = match self.responses.get_value_or_guard_async(&key).await {
            Ok(response) => return response,
            Err(guard) => guard,
        };
        let invalidations = self.invalidations.load(Ordering::SeqCst);
        let response = call().await;
        // wakes those that wait; an error of it means that the key was removed meanwhile
        let _ = guard.insert(response.clone());
        if response.is_err() || self.invalidations.load(Ordering::SeqCst) != invalidations {
            self.responses.remove(&key);
        }
        response
    }

    /// Removes the responses whose keys match.
    pub(crate) fn invalidate(&self, matches: impl Fn(&K) -> bool) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        self.responses.retain(|key, _| !matches(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_call_that_an_invalidation_overtakes_is_not_cached() {
        let cache = SingleFlightCache::new(10);
        let (respond, response) = oneshot::channel::<u32>();
        let mut first = Box::pin(cache.get("key", || async { Ok(response.await.unwrap()) }));
        assert!(futures::poll!(&mut first).is_pending());
        cache.invalidate(|key| *key == "key");
        respond.send(1).unwrap();
        assert_eq!(first.await.unwrap(), 1);
        assert_eq!(cache.get("key", || async { Ok(2) }).await.unwrap(), 2);
        assert_eq!(cache.get("key", || async { Ok(3) }).await.unwrap(), 2);
    }
}
