//! Page tokens: positions in lists, encrypted and authenticated (ChaCha20-Poly1305), so that a caller learns
//! no names of groups that it may not read from a token, and cannot forge one. A token is bound to the query
//! and to the caller: with any other it is rejected.
//!
//! The key is stored in the registry's table, so that a token is valid at every process on the store, and
//! after a restart. The nonce is a keyed hash (HMAC-SHA-256) of all that is encrypted: a position always has
//! the same token, and no nonce is used for two positions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::hex;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The length of the encryption key, and of the HMAC key of nonces, in bytes.
const KEY_BYTES: usize = 32;
/// Positions are padded to a multiple of this, so that a token's length does not reveal that of a name.
const BLOCK_BYTES: usize = 64;
/// The longest token, in characters. The longest position is a name of the length that a request may have.
const MAX_TOKEN_CHARS: usize = 256 * 1024;

/// Encrypts positions into page tokens, and decrypts them.
pub(crate) struct PageTokenCipher {
    cipher: LessSafeKey,
    nonces: hmac::Key,
}

/// Generates a key in its stored form, hexadecimal digits, from the system's random numbers.
///
/// # Errors
/// `Failed` when the system has no random numbers.
pub(crate) fn new_key() -> RegistryResult<String> {
    let mut key = [0; 2 * KEY_BYTES];
    let failed =
        |_| RegistryError::new(RegistryErrorKind::Failed, "the system's random number generator failed");
    SystemRandom::new().fill(&mut key).map_err(failed)?;
    Ok(hex::encode(&key))
}

impl PageTokenCipher {
    /// Creates a cipher from a key in its stored form.
    ///
    /// # Errors
    /// `Failed` when the text is not a key.
    pub(crate) fn new(key: &str) -> RegistryResult<Self> {
        let corrupt =
            || RegistryError::new(RegistryErrorKind::Failed, "the registry's key of page tokens is corrupt");
        let key = hex::decode(key.as_bytes()).filter(|key| key.len() == 2 * KEY_BYTES).ok_or_else(corrupt)?;
        let (cipher, nonces) = key.split_at(KEY_BYTES);
        let cipher = UnboundKey::new(&CHACHA20_POLY1305, cipher).map_err(|_| corrupt())?;
        Ok(Self { cipher: LessSafeKey::new(cipher), nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces) })
    }

    /// Encrypts a position in the list that `query` describes.
    pub(crate) fn seal(&self, query: &[&str], position: &str) -> RegistryResult<String> {
        let associated_data = encode_parts(query);
        let mut sealed = position.as_bytes().to_vec();
        // padding: a byte that ends the position, then zeros
        sealed.push(1);
        sealed.resize(sealed.len().next_multiple_of(BLOCK_BYTES), 0);
        let mut hash = hmac::Context::with_key(&self.nonces);
        hash.update(&associated_data);
        hash.update(&sealed);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&hash.sign().as_ref()[..NONCE_LEN]);
        let failed = |_| RegistryError::new(RegistryErrorKind::Failed, "a page token cannot be encrypted");
        self.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&associated_data),
                &mut sealed,
            )
            .map_err(failed)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// Decrypts the position in a token; `None` when the token is invalid or belongs to another query.
    pub(crate) fn open(&self, query: &[&str], token: &str) -> Option<String> {
        if token.len() > MAX_TOKEN_CHARS {
            return None;
        }
        let mut token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = token.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let padded = self.cipher.open_in_place(nonce, Aad::from(encode_parts(query)), sealed).ok()?;
        let end = padded.iter().rposition(|byte| *byte != 0)?;
        String::from_utf8(padded.get(..end)?.to_vec()).ok()
    }
}

/// Concatenates parts with their lengths, so that different lists have different bytes.
fn encode_parts(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// The ciphers of a registry, created on first use.
#[derive(Default)]
pub(crate) struct PageTokenCiphers {
    /// With the key in the store.
    stored: OnceLock<Arc<PageTokenCipher>>,
    /// With a key of this process only.
    local: Mutex<Option<Arc<PageTokenCipher>>>,
}

impl PageTokenCiphers {
    /// Returns the cipher with the key in the store, once it was read.
    pub(crate) fn stored(&self) -> Option<Arc<PageTokenCipher>> {
        self.stored.get().cloned()
    }

    /// Sets the cipher with the key in the store; returns the one that was set first.
    pub(crate) fn set_stored(&self, cipher: PageTokenCipher) -> Arc<PageTokenCipher> {
        Arc::clone(self.stored.get_or_init(|| Arc::new(cipher)))
    }

    /// Returns the cipher with a key of this process only.
    ///
    /// # Errors
    /// `Failed` when the system has no random numbers.
    pub(crate) fn local(&self) -> RegistryResult<Arc<PageTokenCipher>> {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cipher) = &*local {
            return Ok(Arc::clone(cipher));
        }
        let cipher = Arc::new(PageTokenCipher::new(&new_key()?)?);
        *local = Some(Arc::clone(&cipher));
        Ok(cipher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_for_its_query_and_caller_only() {
        let token_cipher = PageTokenCipher::new(&new_key().unwrap()).unwrap();
        for position in ["", "a", "secret-group", &"ü".repeat(5000), "ends\0", "\u{1}"] {
            let token = token_cipher.seal(&["groups", "shop", "anna"], position).unwrap();
            assert_eq!(token_cipher.open(&["groups", "shop", "anna"], &token).as_deref(), Some(position));
            assert_eq!(
                token,
                token_cipher.seal(&["groups", "shop", "anna"], position).unwrap(),
                "a position has one token"
            );
            for other in [&["groups", "shop", "eva"][..], &["groups", "shopa", "nna"], &["groups"], &[]] {
                assert_eq!(token_cipher.open(other, &token), None, "{other:?}");
            }
            let elsewhere = PageTokenCipher::new(&new_key().unwrap()).unwrap();
            assert_eq!(elsewhere.open(&["groups", "shop", "anna"], &token), None);
        }
    }

    #[test]
    fn a_token_reveals_nothing_and_cannot_be_modified() {
        let token_cipher = PageTokenCipher::new(&new_key().unwrap()).unwrap();
        let token = |position: &str| token_cipher.seal(&["groups"], position).unwrap();
        assert_eq!(token("a").len(), token("a-longer-name").len(), "the length of the name is hidden");
        assert!(!token("secret").contains("secret"));
        let whole = URL_SAFE_NO_PAD.decode(token("secret")).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(token_cipher.open(&["groups"], &URL_SAFE_NO_PAD.encode(changed)), None, "byte {at}");
            assert_eq!(
                token_cipher.open(&["groups"], &URL_SAFE_NO_PAD.encode(&whole[..at])),
                None,
                "cut at {at}"
            );
        }
        for wrong in ["secret", "/secret", "*", "", "AAAA", &"A".repeat(MAX_TOKEN_CHARS + 1)] {
            assert_eq!(token_cipher.open(&["groups"], wrong), None);
        }
        assert!(PageTokenCipher::new("00").is_err() && PageTokenCipher::new("no digits").is_err());
    }
}
