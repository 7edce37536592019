//! Encryption keys of [`Encrypted`](super::Encrypted): the trait of key providers, and a provider in memory.

use crate::{CodecError, CodecResult};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

/// The length of a key, in bytes.
pub const KEY_BYTES: usize = 32;

/// A secret key. Its bytes are zeroed when it is dropped, and are never printed.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// Creates a key from random bytes. A password is not a key.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// A provider of keys: a file, the environment, a key service with a cache. It is called for every event, so
/// it must not block.
///
/// An id identifies one key and is never reused. To rotate keys, make a new id the current one, and keep the
/// old keys for as long as events written with them must be readable; to make such events unreadable, delete
/// their key.
pub trait KeyProvider: Send + Sync + 'static {
    /// Returns the id of the key for new events, 1 to 255 bytes. It is not secret: every event contains it.
    ///
    /// # Errors
    /// `Key` when the provider fails.
    fn current_id(&self) -> CodecResult<String>;
    /// Returns a key by its id; `None` when it is unknown.
    ///
    /// # Errors
    /// `Key` when the provider fails.
    fn key(&self, id: &str) -> CodecResult<Option<Key>>;
}

/// A provider with keys in memory.
pub struct Keyring(RwLock<Keys>);

struct Keys {
    current: String,
    by_id: BTreeMap<String, Key>,
}

impl Keyring {
    /// Creates a provider with one key, the current one.
    pub fn new(id: impl Into<String>, key: Key) -> Self {
        let current = id.into();
        Self(RwLock::new(Keys { by_id: BTreeMap::from([(current.clone(), key)]), current }))
    }

    /// Adds a key for decryption.
    #[must_use]
    pub fn with(self, id: impl Into<String>, key: Key) -> Self {
        self.0.write().unwrap_or_else(PoisonError::into_inner).by_id.insert(id.into(), key);
        self
    }

    /// Makes a key the current one. Events written before remain readable.
    ///
    /// # Errors
    /// `Key` when the id belongs to another key, whose events would become unreadable.
    pub fn rotate(&self, id: impl Into<String>, key: Key) -> CodecResult<()> {
        let (id, mut keys) = (id.into(), self.0.write().unwrap_or_else(PoisonError::into_inner));
        if keys.by_id.get(&id).is_some_and(|existing| existing.bytes() != key.bytes()) {
            return Err(CodecError::Key(format!(
                "key id {id:?} already belongs to another key: choose a new id"
            )));
        }
        keys.by_id.insert(id.clone(), key);
        keys.current = id;
        Ok(())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Keyring").field("current", &keys.current).field("ids", &keys.by_id.keys()).finish()
    }
}

impl KeyProvider for Keyring {
    fn current_id(&self) -> CodecResult<String> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).current.clone())
    }

    fn key(&self, id: &str) -> CodecResult<Option<Key>> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).by_id.get(id).cloned())
    }
}
