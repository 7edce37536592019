//! Encrypted payloads: XChaCha20-Poly1305, by `chacha20poly1305`.
//!
//! ```text
//! 01 | length of the key id, one byte | key id | nonce, 24 bytes | ciphertext | tag, 16 bytes
//! ```
//!
//! The tag authenticates the bytes before the nonce, the codec's name and the payload. It does not
//! authenticate the event's header: whoever can write to the stream can put an encrypted payload under
//! another encoding id of the same codec, or replay an old event.
//!
//! **Why the key id is in the payload.** A registry identifies a codec by its name and ignores the properties
//! of a known name (contract §1.3, operation 20). A key id in the properties would never change, or each
//! rotation would need a new codec name, and with it a new encoding id and a change of every writer and
//! reader. In the payload it costs a few bytes, and writers rotate keys one by one without the registry.
//!
//! **Why the compression is in the name.** It is fixed for an encoding, and for the same reason properties
//! cannot distinguish two encrypting codecs of a group.
//!
//! **Why this cipher.** Many writers share a key without a common counter, so nonces are random. Random
//! nonces of 24 bytes do not collide; the 12 bytes of AES-GCM may collide after about 2^32 events of one key,
//! which a stream reaches.

use super::interface::{Codec, codec_type_named};
use super::keys::{Key, KeyProvider};
use crate::{CodecError, CodecResult};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use kulya_schema::CodecType;
use std::sync::Arc;

/// The length of a nonce, in bytes.
pub const NONCE_BYTES: usize = 24;

/// The version of the layout, the first byte.
const LAYOUT: u8 = 1;

/// A source of nonces: the system's random numbers, or a counter in tests. Any closure implements it.
pub trait NonceSource: Send + Sync + 'static {
    /// Returns a nonce that is never used twice with a key.
    fn nonce(&self) -> [u8; NONCE_BYTES];
}

impl<F: Fn() -> [u8; NONCE_BYTES] + Send + Sync + 'static> NonceSource for F {
    fn nonce(&self) -> [u8; NONCE_BYTES] {
        self()
    }
}

/// Encrypts the output of another codec: compression comes first, since ciphertext cannot be compressed.
///
/// The length of an event reveals how well its payload compresses. Where an attacker who sees lengths can
/// choose part of a payload, encrypt with [`NoCodec`](super::NoCodec).
pub struct Encrypted<C> {
    inner: C,
    keys: Arc<dyn KeyProvider>,
    nonces: Arc<dyn NonceSource>,
}

impl Encrypted<()> {
    /// The name in the registry without compression, and the prefix of the names with compression.
    pub const NAME: &str = "application/x-xchacha20poly1305";

    /// Returns whether a codec name is that of an encrypting codec.
    pub fn is_name(name: &str) -> bool {
        name.strip_prefix(Self::NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
    }
}

impl<C: Codec> Encrypted<C> {
    /// Creates a codec that encrypts the output of `inner` with the provider's current key.
    pub fn new(inner: C, keys: Arc<dyn KeyProvider>, nonces: Arc<dyn NonceSource>) -> Self {
        Self { inner, keys, nonces }
    }

    fn cipher(&self, id: &str) -> CodecResult<XChaCha20Poly1305> {
        let key: Option<Key> = self.keys.key(id)?;
        let key = key.ok_or_else(|| CodecError::Key(format!("unknown encryption key {id:?}")))?;
        Ok(XChaCha20Poly1305::new(key.bytes().into()))
    }
}

impl<C: Codec> Codec for Encrypted<C> {
    fn codec_type(&self) -> CodecType {
        let inner = self.inner.codec_type();
        let name = match inner.name.as_str() {
            "" => Encrypted::NAME.to_owned(),
            inner => format!("{}+{inner}", Encrypted::NAME),
        };
        CodecType { name, properties: inner.properties }
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        let id = self.keys.current_id()?;
        let length = u8::try_from(id.len()).ok().filter(|length| *length > 0);
        let length = length.ok_or_else(|| {
            CodecError::Key(format!("a key id has 1 to 255 bytes, the current one has {}", id.len()))
        })?;
        let message = self.inner.encode(payload)?;
        let mut event = [&[LAYOUT, length], id.as_bytes()].concat();
        let nonce = self.nonces.nonce();
        let associated_data = associated_data(&event, &self.codec_type().name);
        let ciphertext =
            self.cipher(&id)?.encrypt(&nonce.into(), Payload { msg: &message, aad: &associated_data });
        let ciphertext =
            ciphertext.map_err(|_| CodecError::Codec("the payload is too large to encrypt".into()))?;
        event.extend_from_slice(&nonce);
        event.extend_from_slice(&ciphertext);
        Ok(event)
    }

    fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>> {
        let EncryptedPayload { prefix, id, nonce, message } = EncryptedPayload::parse(bytes)?;
        let associated_data = associated_data(prefix, &self.codec_type().name);
        let decrypted =
            self.cipher(id)?.decrypt(&nonce.into(), Payload { msg: message, aad: &associated_data });
        let decrypted = decrypted.map_err(|_| {
            CodecError::Codec(format!(
                "decryption with key {id:?} failed: the key is wrong, or the payload is corrupt"
            ))
        })?;
        let inner = CodecType {
            properties: codec_type.properties.clone(),
            ..codec_type_named(&self.inner.codec_type().name)
        };
        self.inner.decode(&decrypted, &inner)
    }
}

/// Returns the associated data of the cipher: the bytes before the nonce and the codec's name. The prefix
/// contains its own length, so the concatenation is unambiguous.
fn associated_data(prefix: &[u8], name: &str) -> Vec<u8> {
    [prefix, name.as_bytes()].concat()
}

/// The parts of an encrypted payload.
struct EncryptedPayload<'a> {
    /// The bytes before the nonce.
    prefix: &'a [u8],
    id: &'a str,
    nonce: [u8; NONCE_BYTES],
    message: &'a [u8],
}

impl<'a> EncryptedPayload<'a> {
    fn parse(bytes: &'a [u8]) -> CodecResult<Self> {
        let corrupt = |reason: &str| CodecError::Codec(format!("the encrypted payload is corrupt: {reason}"));
        let Some(([layout, length], rest)) = bytes.split_first_chunk() else {
            return Err(corrupt("it is too short"));
        };
        if *layout != LAYOUT {
            return Err(corrupt(&format!("its layout version is {layout}, not {LAYOUT}")));
        }
        let length = usize::from(*length);
        let (id, rest) = rest.split_at_checked(length).ok_or_else(|| corrupt("it is too short"))?;
        let (nonce, message) = rest.split_first_chunk().ok_or_else(|| corrupt("it is too short"))?;
        let id = std::str::from_utf8(id).map_err(|_| corrupt("its key id is not UTF-8"))?;
        let prefix = bytes.get(..2 + length).unwrap_or_default();
        Ok(Self { prefix, id, nonce: *nonce, message })
    }
}
