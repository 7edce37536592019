//! The issuer's keys: a parsed JSON Web Key Set ([`KeySet`]) and the cache that refreshes it
//! ([`CachedKeySet`]).

use crate::{Error, TextSource};
use async_trait::async_trait;
use futures::lock::Mutex;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Longest key set that is accepted, in bytes, and the keys that are used of one.
const MAX_SET_BYTES: usize = 1 << 20;
const MAX_KEYS: usize = 256;

/// The source of a key set. Calls are cancel-safe.
#[async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// Returns the key set as JSON text, or fails within a timeout of its own.
    ///
    /// # Errors
    /// The source is unavailable.
    async fn key_set(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>>;

    /// Returns the source's name for messages.
    fn name(&self) -> String;
}

/// A key set in a text source; returns the last text when it has not changed.
struct TextKeySource<D>(D, std::sync::Mutex<String>);

#[async_trait]
impl<D: TextSource> KeySource for TextKeySource<D> {
    async fn key_set(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let mut last = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = self.0.read_if_changed()? {
            *last = text;
        }
        Ok(last.clone())
    }

    fn name(&self) -> String {
        self.0.name()
    }
}

/// A verification key and the algorithms that it is for.
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// The keys of a set that verify signatures with an accepted algorithm; others are skipped.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_SET_BYTES {
            return Err(Error::new(format!("a key set has at most {MAX_SET_BYTES} bytes")));
        }
        let set: Value = serde_json::from_str(text).map_err(|e| Error::new("invalid JSON").because(e))?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| Error::new("not a JSON Web Key Set: it has no list \"keys\""))?;
        Ok(Self(keys.iter().filter_map(parse_key).take(MAX_KEYS).collect()))
    }

    /// Returns the keys with an id. A token without an id can only be verified with a set of a single key.
    pub(super) fn find<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        let is_single = self.0.len() == 1;
        self.0.iter().filter(move |key| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => is_single,
        })
    }
}

fn parse_key(value: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let supported: Vec<Algorithm> = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms().to_vec(),
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(parameters) if parameters.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDSA]
        }
        // an issuer never publishes a shared secret
        _ => return None,
    };
    let algorithms = match value.get("alg").and_then(Value::as_str) {
        None => supported,
        Some(only) => supported.into_iter().filter(|algorithm| only.parse() == Ok(*algorithm)).collect(),
    };
    let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| !algorithms.is_empty())?;
    Some(Key { id: jwk.common.key_id, algorithms, key })
}

/// A cached key set. It is refreshed when a token names an unknown key and when it has expired, at most once
/// per interval and by one caller at a time. While the source is unavailable, the last set stays in use.
pub struct CachedKeySet {
    source: Box<dyn KeySource>,
    /// The time between two attempts.
    interval: Duration,
    /// The age at which a set expires, and revoked keys with it.
    max_age: Duration,
    keys: RwLock<Arc<KeySet>>,
    /// The time of the last attempt; locked during an attempt.
    last_attempt: Mutex<Option<Duration>>,
    /// The time of the last fetch, in seconds since 1970; read without locking.
    fetched: std::sync::atomic::AtomicU64,
}

impl CachedKeySet {
    /// Creates a cache that refreshes at most once in 30 seconds and expires after ten minutes.
    pub fn new(source: impl KeySource) -> Self {
        Self::with_times(source, Duration::from_secs(30), Duration::from_secs(600))
    }

    /// Creates a cache of a key set in a text source, such as a file.
    pub fn from_text_source(source: impl TextSource) -> Self {
        Self::new(TextKeySource(source, std::sync::Mutex::default()))
    }

    /// Creates a cache with other times.
    pub fn with_times(source: impl KeySource, interval: Duration, max_age: Duration) -> Self {
        Self {
            source: Box::new(source),
            interval,
            max_age,
            keys: RwLock::default(),
            last_attempt: Mutex::new(None),
            fetched: std::sync::atomic::AtomicU64::new(0),
        }
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the keys, refreshed first unless `has_key` finds the wanted one.
    pub(super) async fn fetch_unless(&self, now: Duration, has_key: impl Fn(&KeySet) -> bool) -> Arc<KeySet> {
        let keys = self.keys();
        if has_key(&keys) {
            if self.is_expired(now)
                && let Some(last_attempt) = self.last_attempt.try_lock()
            {
                // concurrent callers use the expired keys meanwhile
                self.try_refresh(last_attempt, now).await;
                return self.keys();
            }
            return keys;
        }
        let last_attempt = self.last_attempt.lock().await;
        // another caller may have fetched them meanwhile
        if !has_key(&self.keys()) {
            self.try_refresh(last_attempt, now).await;
        }
        self.keys()
    }

    fn is_expired(&self, now: Duration) -> bool {
        let fetched = Duration::from_secs(self.fetched.load(std::sync::atomic::Ordering::Relaxed));
        now >= fetched + self.max_age
    }

    async fn try_refresh(
        &self,
        mut last_attempt: futures::lock::MutexGuard<'_, Option<Duration>>,
        now: Duration,
    ) {
        if last_attempt.is_some_and(|last| now < last + self.interval && now >= last) {
            return;
        }
        *last_attempt = Some(now);
        if let Err(error) = self.fetch(now).await {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            tracing::warn!("{error}{cause}; keeping the last keys");
        }
    }

    pub(super) async fn refresh(&self, now: Duration) -> Result<(), Error> {
        let mut last_attempt = self.last_attempt.lock().await;
        *last_attempt = Some(now);
        self.fetch(now).await
    }

    async fn fetch(&self, now: Duration) -> Result<(), Error> {
        let failed = || Error::new(format!("cannot fetch the issuer's keys from {}", self.source.name()));
        let text = self.source.key_set().await.map_err(|e| failed().because(e))?;
        let keys = KeySet::parse(&text).map_err(|e| failed().because(e))?;
        if keys.0.is_empty() {
            return Err(failed().because("the key set has no key for an accepted algorithm"));
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        self.fetched.store(now.as_secs(), std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}

impl fmt::Debug for CachedKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedKeySet").field("source", &self.source.name()).finish_non_exhaustive()
    }
}
