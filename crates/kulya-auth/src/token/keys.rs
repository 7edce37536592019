//! The issuer's keys: a JSON Web Key Set as values, [`KeySet`], and how it is kept fresh, [`Refreshing`].

use crate::{Document, Error};
use async_trait::async_trait;
use futures::lock::Mutex;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Longest key set that is read, in bytes, and most keys of one.
const MAX_SET_BYTES: usize = 1 << 20;
const MOST_KEYS: usize = 256;

/// Where a key set comes from. Calls may be cancelled at any await.
#[async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// The set, as JSON text. It answers or fails within a time of its own.
    ///
    /// # Errors
    /// It cannot be had now.
    async fn key_set(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>>;

    /// What messages call it.
    fn name(&self) -> String;
}

/// A document is a source; what did not change is what it was.
pub(super) struct OfDocument<D>(D, std::sync::Mutex<String>);

#[async_trait]
impl<D: Document> KeySource for OfDocument<D> {
    async fn key_set(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let mut last = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = self.0.changed()? {
            *last = text;
        }
        Ok(last.clone())
    }

    fn name(&self) -> String {
        self.0.name()
    }
}

/// A key that verifies, and in which ways.
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// The keys of a set that can verify signatures in a way that is taken; others are passed over.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_SET_BYTES {
            return Err(Error::new(format!("a key set has at most {MAX_SET_BYTES} bytes")));
        }
        let set: Value = serde_json::from_str(text).map_err(|e| Error::new("it is no JSON").because(e))?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| Error::new("it is no JSON Web Key Set: it has no list \"keys\""))?;
        Ok(Self(keys.iter().filter_map(key).take(MOST_KEYS).collect()))
    }

    /// The keys of an id. A token that names none is of the only key that there is.
    pub(super) fn find<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        let is_alone = self.0.len() == 1;
        self.0.iter().filter(move |key| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => is_alone,
        })
    }
}

fn key(value: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let fitting: Vec<Algorithm> = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms().to_vec(),
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(parameters) if parameters.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDSA]
        }
        // a shared secret is nothing that an issuer publishes
        _ => return None,
    };
    let algorithms = match value.get("alg").and_then(Value::as_str) {
        None => fitting,
        Some(only) => fitting.into_iter().filter(|algorithm| only.parse() == Ok(*algorithm)).collect(),
    };
    let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| !algorithms.is_empty())?;
    Some(Key { id: jwk.common.key_id, algorithms, key })
}

/// A key set that is asked for again: when a token names a key that it does not have, and when it has become old; not more
/// often than once in an interval, by one of those who want it. While the source does not answer, the last set stays.
pub struct Refreshing {
    source: Box<dyn KeySource>,
    /// Between two tries.
    interval: Duration,
    /// After so long a set is old: a key that was taken back is then gone.
    age: Duration,
    keys: RwLock<Arc<KeySet>>,
    /// When it was last tried; held by who tries.
    tried: Mutex<Option<Duration>>,
    /// In seconds since 1970, so that it is looked at without waiting.
    got: std::sync::atomic::AtomicU64,
}

impl Refreshing {
    /// Asked at most once in 30 seconds; ten minutes make a set old.
    pub fn new(source: impl KeySource) -> Self {
        Self::with_times(source, Duration::from_secs(30), Duration::from_secs(600))
    }

    /// A document with the key set.
    pub fn of_document(document: impl Document) -> Self {
        Self::new(OfDocument(document, std::sync::Mutex::default()))
    }

    /// With other times.
    pub fn with_times(source: impl KeySource, interval: Duration, age: Duration) -> Self {
        Self {
            source: Box::new(source),
            interval,
            age,
            keys: RwLock::default(),
            tried: Mutex::new(None),
            got: std::sync::atomic::AtomicU64::new(0),
        }
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys; asked for again when they lack what is wanted.
    pub(super) async fn with(&self, now: Duration, is_there: impl Fn(&KeySet) -> bool) -> Arc<KeySet> {
        let keys = self.keys();
        if is_there(&keys) {
            if self.is_old(now)
                && let Some(tried) = self.tried.try_lock()
            {
                // the others go on with what there is
                self.try_again(tried, now).await;
                return self.keys();
            }
            return keys;
        }
        let tried = self.tried.lock().await;
        // somebody may have asked while we waited
        if !is_there(&self.keys()) {
            self.try_again(tried, now).await;
        }
        self.keys()
    }

    fn is_old(&self, now: Duration) -> bool {
        let got = Duration::from_secs(self.got.load(std::sync::atomic::Ordering::Relaxed));
        now >= got + self.age
    }

    async fn try_again(&self, mut tried: futures::lock::MutexGuard<'_, Option<Duration>>, now: Duration) {
        if tried.is_some_and(|last| now < last + self.interval && now >= last) {
            return;
        }
        *tried = Some(now);
        if let Err(error) = self.fetch(now).await {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            tracing::warn!("{error}{cause}; going on with the last keys");
        }
    }

    pub(super) async fn refresh(&self, now: Duration) -> Result<(), Error> {
        let mut tried = self.tried.lock().await;
        *tried = Some(now);
        self.fetch(now).await
    }

    async fn fetch(&self, now: Duration) -> Result<(), Error> {
        let wrong = || Error::new(format!("the issuer's keys cannot be had from {}", self.source.name()));
        let text = self.source.key_set().await.map_err(|e| wrong().because(e))?;
        let keys = KeySet::parse(&text).map_err(|e| wrong().because(e))?;
        if keys.0.is_empty() {
            return Err(wrong().because("it has no key that verifies signatures in a way that is taken"));
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        self.got.store(now.as_secs(), std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}

impl fmt::Debug for Refreshing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshing").field("source", &self.source.name()).finish_non_exhaustive()
    }
}
