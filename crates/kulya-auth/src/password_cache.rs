//! A cache of verified passwords, so that a client pays for hashing once: [`PasswordCache`].
//!
//! It holds no password but, per user, a keyed hash (HMAC-SHA-256 with a key of this process) of the last
//! verified password together with the account file's hash. A changed account is therefore verified again.

use crate::PasswordHash;
use ring::hmac;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Users in the cache. It is cleared when it is full.
const MAX_USERS: usize = 100_000;

pub(crate) struct PasswordCache {
    key: hmac::Key,
    by_user: Mutex<HashMap<String, [u8; 32]>>,
}

impl PasswordCache {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), by_user: Mutex::default() }
    }

    /// Whether the password was verified before. Compares in constant time.
    pub(crate) fn contains(&self, user: &str, hash: &PasswordHash, password: &[u8]) -> bool {
        let cached = self.by_user.lock().unwrap_or_else(PoisonError::into_inner).get(user).copied();
        cached.is_some_and(|tag| hmac::verify(&self.key, &message(user, hash, password), &tag).is_ok())
    }

    pub(crate) fn insert(&self, user: &str, hash: &PasswordHash, password: &[u8]) {
        let tag = hmac::sign(&self.key, &message(user, hash, password));
        let Ok(tag) = tag.as_ref().try_into() else { return };
        let mut by_user = self.by_user.lock().unwrap_or_else(PoisonError::into_inner);
        if by_user.len() >= MAX_USERS && !by_user.contains_key(user) {
            by_user.clear();
        }
        by_user.insert(user.to_owned(), tag);
    }
}

/// The three fields with their lengths, so that different fields never give the same message.
fn message(user: &str, hash: &PasswordHash, password: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let hash = hash.to_string();
    let mut message =
        zeroize::Zeroizing::new(Vec::with_capacity(user.len() + hash.len() + password.len() + 24));
    for field in [user.as_bytes(), hash.as_bytes(), password] {
        message.extend_from_slice(&(field.len() as u64).to_be_bytes());
        message.extend_from_slice(field);
    }
    message
}

impl fmt::Debug for PasswordCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordCache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn a_password_is_cached_until_the_account_changes() {
        let cache = PasswordCache::new([3; 32]);
        let hash = |salt| PasswordHash::new(b"pw", [salt; 32], NonZeroU32::MIN);
        assert!(!cache.contains("a", &hash(1), b"pw"));
        cache.insert("a", &hash(1), b"pw");
        assert!(cache.contains("a", &hash(1), b"pw"));
        assert!(!cache.contains("a", &hash(1), b"pv") && !cache.contains("a", &hash(2), b"pw"));
        assert!(!cache.contains("b", &hash(1), b"pw"));
        assert!(!format!("{cache:?}").contains("pw"));
    }
}
