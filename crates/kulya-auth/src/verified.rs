//! Which passwords were right a moment ago, so that a client pays for its hash once: [`Verified`].
//!
//! No password is kept: for each user the keyed hash (HMAC-SHA-256, with a key of this process) of the last one that was
//! right, together with the hash of the account file that it was right for. So a changed account is looked at anew, and
//! there are at most as many as there are accounts.

use crate::PasswordHash;
use ring::hmac;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// More users than these are not remembered.
const MOST_USERS: usize = 100_000;

pub(crate) struct Verified {
    key: hmac::Key,
    by_user: Mutex<HashMap<String, [u8; 32]>>,
}

impl Verified {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), by_user: Mutex::default() }
    }

    /// Whether it was right before. The comparison takes the same time for every wrong one.
    pub(crate) fn knows(&self, user: &str, hash: &PasswordHash, password: &[u8]) -> bool {
        let known = self.by_user.lock().unwrap_or_else(PoisonError::into_inner).get(user).copied();
        known.is_some_and(|tag| hmac::verify(&self.key, &message(user, hash, password), &tag).is_ok())
    }

    pub(crate) fn remember(&self, user: &str, hash: &PasswordHash, password: &[u8]) {
        let tag = hmac::sign(&self.key, &message(user, hash, password));
        let Ok(tag) = tag.as_ref().try_into() else { return };
        let mut by_user = self.by_user.lock().unwrap_or_else(PoisonError::into_inner);
        if by_user.len() >= MOST_USERS && !by_user.contains_key(user) {
            by_user.clear();
        }
        by_user.insert(user.to_owned(), tag);
    }
}

/// All three with their lengths, so that no two can be taken for each other.
fn message(user: &str, hash: &PasswordHash, password: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let hash = hash.to_string();
    let mut message =
        zeroize::Zeroizing::new(Vec::with_capacity(user.len() + hash.len() + password.len() + 24));
    for part in [user.as_bytes(), hash.as_bytes(), password] {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn what_was_right_is_known_until_the_account_changes() {
        let verified = Verified::new([3; 32]);
        let hash = |salt| PasswordHash::new(b"pw", [salt; 32], NonZeroU32::MIN);
        assert!(!verified.knows("a", &hash(1), b"pw"));
        verified.remember("a", &hash(1), b"pw");
        assert!(verified.knows("a", &hash(1), b"pw"));
        assert!(!verified.knows("a", &hash(1), b"pv") && !verified.knows("a", &hash(2), b"pw"));
        assert!(!verified.knows("b", &hash(1), b"pw"));
        assert!(!format!("{verified:?}").contains("pw"));
    }
}
