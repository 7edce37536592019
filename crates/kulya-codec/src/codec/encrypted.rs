//! Payloads that only those with the key can read: XChaCha20-Poly1305, by `chacha20poly1305`.
//!
//! ```text
//! 01 | length of the key's id, one byte | the key's id | nonce, 24 bytes | ciphertext | tag, 16 bytes
//! ```
//!
//! The tag answers for the bytes before the nonce and for the codec's name as well as for the payload. It does not answer
//! for the event's header: who can write to the stream can put an encrypted payload under another encoding id of the same
//! codec, or write an old event again.
//!
//! **Why the key's id is in the bytes.** A registry knows a codec by its name and ignores the properties that come with a
//! known name (contract §1.3, operation 20). An id among the properties would stay the first key's for ever, or each
//! rotation would need a new codec name, and with it a new encoding id and every writer and reader told. In the bytes it
//! costs a few of them, and writers rotate one by one without the registry.
//!
//! **Why the compression is in the name.** It is fixed for an encoding, and properties cannot tell two encrypting codecs
//! of one group apart, for the same reason.
//!
//! **Why this cipher.** Many writers share a key and nobody counts events across them, so nonces are drawn at random. The
//! 24 bytes here never meet by chance; the 12 of AES-GCM may after some 2^32 events of one key, which a stream reaches.

use super::{Codec, Key, KeyProvider, named};
use crate::{CodecError, CodecResult};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use kulya_schema::CodecType;
use std::sync::Arc;

/// The length of a nonce.
pub const NONCE_BYTES: usize = 24;

/// The layout's version, the first byte.
const LAYOUT: u8 = 1;

/// Where nonces come from: bytes of the system's random numbers, or a test's dice. A closure will do.
pub trait Nonces: Send + Sync + 'static {
    /// Bytes that nobody has drawn before, and nobody will again.
    fn nonce(&self) -> [u8; NONCE_BYTES];
}

impl<F: Fn() -> [u8; NONCE_BYTES] + Send + Sync + 'static> Nonces for F {
    fn nonce(&self) -> [u8; NONCE_BYTES] {
        self()
    }
}

/// Encrypts what another codec has encoded: compressed first, since ciphertext cannot be.
///
/// The length of an event still tells how well its payload was compressed. Where somebody who sees lengths can choose
/// part of a payload, encrypt [`NoCodec`](super::NoCodec).
pub struct Encrypted<C> {
    inner: C,
    keys: Arc<dyn KeyProvider>,
    nonces: Arc<dyn Nonces>,
}

impl Encrypted<()> {
    /// The name in the registry, and the beginning of the names with a compression.
    pub const NAME: &str = "application/x-xchacha20poly1305";

    /// Whether a codec of that name encrypts.
    pub fn is_name(name: &str) -> bool {
        name.strip_prefix(Self::NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
    }
}

impl<C: Codec> Encrypted<C> {
    /// Encrypts what `inner` gives, with the provider's current key.
    pub fn new(inner: C, keys: Arc<dyn KeyProvider>, nonces: Arc<dyn Nonces>) -> Self {
        Self { inner, keys, nonces }
    }

    fn cipher(&self, id: &str) -> CodecResult<XChaCha20Poly1305> {
        let key: Option<Key> = self.keys.key(id)?;
        let key = key.ok_or_else(|| CodecError::Key(format!("key {id:?} is not known here")))?;
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
            CodecError::Key(format!("a key's id has 1 to 255 bytes, the current one has {}", id.len()))
        })?;
        let message = self.inner.encode(payload)?;
        let mut event = [&[LAYOUT, length], id.as_bytes()].concat();
        let (nonce, covered) = (self.nonces.nonce(), covered(&event, &self.codec_type().name));
        let sealed = self.cipher(&id)?.encrypt(&nonce.into(), Payload { msg: &message, aad: &covered });
        let sealed = sealed.map_err(|_| CodecError::Codec("the payload is too large to encrypt".into()))?;
        event.extend_from_slice(&nonce);
        event.extend_from_slice(&sealed);
        Ok(event)
    }

    fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>> {
        let Sealed { front, id, nonce, message } = Sealed::split(bytes)?;
        let covered = covered(front, &self.codec_type().name);
        let opened = self.cipher(id)?.decrypt(&nonce.into(), Payload { msg: message, aad: &covered });
        let opened = opened.map_err(|_| {
            CodecError::Codec(format!(
                "the payload does not open with key {id:?}: the key is another, or bytes changed"
            ))
        })?;
        let inner =
            CodecType { properties: codec_type.properties.clone(), ..named(&self.inner.codec_type().name) };
        self.inner.decode(&opened, &inner)
    }
}

/// What the tag answers for besides the payload. The front says its own length, so the two parts cannot be confused.
fn covered(front: &[u8], name: &str) -> Vec<u8> {
    [front, name.as_bytes()].concat()
}

/// The parts of an encrypted payload.
struct Sealed<'a> {
    /// Everything before the nonce.
    front: &'a [u8],
    id: &'a str,
    nonce: [u8; NONCE_BYTES],
    message: &'a [u8],
}

impl<'a> Sealed<'a> {
    fn split(bytes: &'a [u8]) -> CodecResult<Self> {
        let damaged =
            |why: &str| CodecError::Codec(format!("the payload is not encrypted as expected: {why}"));
        let Some(([layout, length], rest)) = bytes.split_first_chunk() else {
            return Err(damaged("it is too short"));
        };
        if *layout != LAYOUT {
            return Err(damaged(&format!("its layout is {layout}, not {LAYOUT}")));
        }
        let length = usize::from(*length);
        let (id, rest) = rest.split_at_checked(length).ok_or_else(|| damaged("it is too short"))?;
        let (nonce, message) = rest.split_first_chunk().ok_or_else(|| damaged("it is too short"))?;
        let id = std::str::from_utf8(id).map_err(|_| damaged("its key's id is not text"))?;
        let front = bytes.get(..2 + length).unwrap_or_default();
        Ok(Self { front, id, nonce: *nonce, message })
    }
}
