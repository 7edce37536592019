//! Answers that never change, asked for once: the cache beneath [`Encodings`](crate::Encodings) and
//! [`CachedRegistry`](crate::CachedRegistry).

use crate::RegistryResult;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Answers by key. Those that ask the same at once wait for one call and share what comes of it, be it a failure; a
/// failure is not kept for those that ask later.
pub(crate) struct Answers<K, V> {
    calls: Mutex<HashMap<K, Call<V>>>,
    most: usize,
}

type Call<V> = Arc<OnceCell<RegistryResult<V>>>;

impl<K: Hash + Eq + Clone, V: Clone> Answers<K, V> {
    /// Keeps at most so many answers; one more, and some other is forgotten, which costs a call.
    pub(crate) fn new(most: usize) -> Self {
        Self { calls: Mutex::default(), most }
    }

    /// The answer that is kept, or that of `ask`. Cancelled, it leaves the call to the next that waits.
    pub(crate) async fn get<F: Future<Output = RegistryResult<V>>>(
        &self,
        key: K,
        ask: impl FnOnce() -> F,
    ) -> RegistryResult<V> {
        let call = self.call(&key);
        let answer = call.get_or_init(ask).await.clone();
        if answer.is_err() {
            self.forget(|known, kept| *known == key && Arc::ptr_eq(kept, &call));
        }
        answer
    }

    /// Forgets what is kept under such keys.
    pub(crate) fn forget_keys(&self, is_gone: impl Fn(&K) -> bool) {
        self.forget(|key, _| is_gone(key));
    }

    fn forget(&self, is_gone: impl Fn(&K, &Call<V>) -> bool) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|key, call| !is_gone(key, call));
    }

    fn call(&self, key: &K) -> Call<V> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.get(key) {
            return Arc::clone(call);
        }
        if calls.len() >= self.most
            && let Some(other) = calls.keys().next().cloned()
        {
            calls.remove(&other);
        }
        Arc::clone(calls.entry(key.clone()).or_default())
    }
}
