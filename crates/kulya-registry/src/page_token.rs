//! Page tokens: where a list goes on, in a form that says nothing to its holder. A token is encrypted and authenticated
//! (ChaCha20-Poly1305), so that nobody learns from it the name of a group that they may not read, and nobody can make one.
//! It is bound to what was asked for and to who asked: elsewhere it is refused.
//!
//! The key stands in the registry's table, so that a token is good at every process on the store, and after a restart. The
//! nonce is a keyed hash (HMAC-SHA-256) of all that is sealed: one position has one token, and no nonce is used for two.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::hex;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// Of encryption, and of the hash that gives nonces, in bytes.
const KEY_BYTES: usize = 32;
/// Positions are padded to a multiple of this, so that a token's length does not tell a name's.
const BLOCK_BYTES: usize = 64;
/// No token is longer, in signs. The longest position is a name of the length that a request may have.
const MAX_TOKEN: usize = 256 * 1024;

/// Seals positions.
pub(crate) struct Sealer {
    cipher: LessSafeKey,
    nonces: hmac::Key,
}

/// A new key as it is stored: hexadecimal digits. It is drawn from the system's generator, as every key is; nothing but
/// the look of tokens depends on it.
pub(crate) fn new_key() -> RegistryResult<String> {
    let mut key = [0; 2 * KEY_BYTES];
    let failed = |_| RegistryError::new(RegistryErrorKind::Failed, "the system gives no random bytes");
    SystemRandom::new().fill(&mut key).map_err(failed)?;
    Ok(hex::encode(&key))
}

impl Sealer {
    /// By a key as it is stored.
    ///
    /// # Errors
    /// `Failed`: the record is none of a key.
    pub(crate) fn new(key: &str) -> RegistryResult<Self> {
        let wrong =
            || RegistryError::new(RegistryErrorKind::Failed, "the registry's key of page tokens is damaged");
        let key = hex::decode(key.as_bytes()).filter(|key| key.len() == 2 * KEY_BYTES).ok_or_else(wrong)?;
        let (cipher, nonces) = key.split_at(KEY_BYTES);
        let cipher = UnboundKey::new(&CHACHA20_POLY1305, cipher).map_err(|_| wrong())?;
        Ok(Self { cipher: LessSafeKey::new(cipher), nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces) })
    }

    /// The token of a position in what `asked` describes.
    pub(crate) fn seal(&self, asked: &[&str], position: &str) -> RegistryResult<String> {
        let asked = joined(asked);
        let mut sealed = position.as_bytes().to_vec();
        // a sign that ends the position, and as many zeros as it takes
        sealed.push(1);
        sealed.resize(sealed.len().next_multiple_of(BLOCK_BYTES), 0);
        let mut hash = hmac::Context::with_key(&self.nonces);
        hash.update(&asked);
        hash.update(&sealed);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&hash.sign().as_ref()[..NONCE_LEN]);
        let failed = |_| RegistryError::new(RegistryErrorKind::Failed, "a page token cannot be sealed");
        self.cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&asked), &mut sealed)
            .map_err(failed)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// The position of a token; `None` when it was not given for this.
    pub(crate) fn open(&self, asked: &[&str], token: &str) -> Option<String> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let mut token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = token.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.cipher.open_in_place(nonce, Aad::from(joined(asked)), sealed).ok()?;
        let end = opened.iter().rposition(|byte| *byte != 0)?;
        String::from_utf8(opened.get(..end)?.to_vec()).ok()
    }
}

/// All parts with their lengths, so that no two lists can be taken for each other.
fn joined(parts: &[&str]) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part.as_bytes());
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_opened_for_what_it_was_given_for_alone() {
        let sealer = Sealer::new(&new_key().unwrap()).unwrap();
        for position in ["", "a", "secret-group", &"ü".repeat(5000), "ends\0", "\u{1}"] {
            let token = sealer.seal(&["groups", "shop", "anna"], position).unwrap();
            assert_eq!(sealer.open(&["groups", "shop", "anna"], &token).as_deref(), Some(position));
            assert_eq!(
                token,
                sealer.seal(&["groups", "shop", "anna"], position).unwrap(),
                "it stays the same"
            );
            for other in [&["groups", "shop", "eva"][..], &["groups", "shopa", "nna"], &["groups"], &[]] {
                assert_eq!(sealer.open(other, &token), None, "{other:?}");
            }
            let elsewhere = Sealer::new(&new_key().unwrap()).unwrap();
            assert_eq!(elsewhere.open(&["groups", "shop", "anna"], &token), None);
        }
    }

    #[test]
    fn a_token_says_nothing_and_cannot_be_changed() {
        let sealer = Sealer::new(&new_key().unwrap()).unwrap();
        let token = |position: &str| sealer.seal(&["groups"], position).unwrap();
        assert_eq!(token("a").len(), token("a-longer-name").len(), "not the length of the name");
        assert!(!token("secret").contains("secret"));
        let whole = URL_SAFE_NO_PAD.decode(token("secret")).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open(&["groups"], &URL_SAFE_NO_PAD.encode(changed)), None, "byte {at}");
            assert_eq!(sealer.open(&["groups"], &URL_SAFE_NO_PAD.encode(&whole[..at])), None, "cut at {at}");
        }
        for wrong in ["secret", "/secret", "*", "", "AAAA", &"A".repeat(MAX_TOKEN + 1)] {
            assert_eq!(sealer.open(&["groups"], wrong), None);
        }
        assert!(Sealer::new("00").is_err() && Sealer::new("no digits").is_err());
    }
}
