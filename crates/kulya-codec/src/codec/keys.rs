//! The keys of [`Encrypted`](super::Encrypted): where they come from, and one place that has them at hand.

use crate::{CodecError, CodecResult};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

/// The length of a key.
pub const KEY_BYTES: usize = 32;

/// A secret key. Its bytes are overwritten when it is dropped, and never shown.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// From its bytes, which have to be random: this is no place for a password.
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

/// Where keys come from: a file, the environment, a key service that keeps them at hand. Asked for every event, so it
/// must not wait.
///
/// An id names one key for ever. To rotate, make a new id the current one and keep the old keys for as long as events
/// written with them are to be read; to make such events unreadable, forget their key.
pub trait KeyProvider: Send + Sync + 'static {
    /// The id of the key that new events are encrypted with: 1 to 255 bytes. It is no secret: it stands in every event.
    fn current_id(&self) -> CodecResult<String>;
    /// A key by its id; `None` when there is none.
    fn key(&self, id: &str) -> CodecResult<Option<Key>>;
}

/// Keys held in memory.
pub struct Keyring(RwLock<Keys>);

struct Keys {
    current: String,
    by_id: BTreeMap<String, Key>,
}

impl Keyring {
    /// With one key, the current one.
    pub fn new(id: impl Into<String>, key: Key) -> Self {
        let current = id.into();
        Self(RwLock::new(Keys { by_id: BTreeMap::from([(current.clone(), key)]), current }))
    }

    /// Adds a key for reading.
    #[must_use]
    pub fn with(self, id: impl Into<String>, key: Key) -> Self {
        self.0.write().unwrap_or_else(PoisonError::into_inner).by_id.insert(id.into(), key);
        self
    }

    /// Encrypts with another key from now on. What was written before can still be read. An id that is taken by another
    /// key is refused, since events written with that one would become unreadable.
    pub fn rotate(&self, id: impl Into<String>, key: Key) -> CodecResult<()> {
        let (id, mut keys) = (id.into(), self.0.write().unwrap_or_else(PoisonError::into_inner));
        if keys.by_id.get(&id).is_some_and(|known| known.bytes() != key.bytes()) {
            return Err(CodecError::Key(format!(
                "key {id:?} is there already, and is another: choose a new id"
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
