//! What a payload may be put through between value and event: compression, encryption, or both. A codec has the name
//! that the registry knows; users add their own by implementing [`Codec`].
//!
//! | name | codec | who else reads it |
//! |---|---|---|
//! | `""` | [`NoCodec`] | everyone |
//! | `application/x-gzip` | [`Gzip`] | Java's readers |
//! | `application/x-snappy-framed` | [`Snappy`] | Java's readers |
//! | `application/x-lz4` | [`Lz4`] | readers with a custom codec |
//! | `application/zstd` | [`Zstd`] | readers with a custom codec |
//! | `application/x-xchacha20poly1305`, or that, `+` and a name above | [`Encrypted`] | readers with a custom codec and the key |
//!
//! Decoders are total and bounded: any bytes are decoded or refused, what comes out is at most
//! [`MAX_DECODED_BYTES`], and zero bytes behind an encoded payload are ignored, since a Java writer may hand over its
//! whole buffer (contract §5.4). The same zero bytes *within* what was encoded are left to the format's reader, which
//! knows where a value ends.

mod encrypted;
mod gzip;
mod keys;
mod lz4;
mod none;
mod snappy;
#[cfg(test)]
mod tests;
mod zstd;

pub use self::zstd::Zstd;
pub use encrypted::{Encrypted, NONCE_BYTES, Nonces};
pub use gzip::Gzip;
pub use keys::{KEY_BYTES, Key, KeyProvider, Keyring};
pub use lz4::Lz4;
pub use none::NoCodec;
pub use snappy::Snappy;

use crate::{CodecError, CodecResult};
use kulya_schema::CodecType;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

/// A decoded payload is never larger: more is an attack, not an event.
pub const MAX_DECODED_BYTES: usize = 64 << 20;

/// Turns payloads into other bytes and back.
pub trait Codec: Send + Sync + 'static {
    /// Its name, and what its decoder needs to know, for the registry.
    fn codec_type(&self) -> CodecType;
    /// Encodes one payload.
    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>>;
    /// Decodes one payload; must refuse to give more than [`MAX_DECODED_BYTES`].
    fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>>;
}

impl Codec for Arc<dyn Codec> {
    fn codec_type(&self) -> CodecType {
        (**self).codec_type()
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        (**self).encode(payload)
    }

    fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>> {
        (**self).decode(bytes, codec_type)
    }
}

/// The codecs a reader knows, by name: those without a key from the start.
#[derive(Clone)]
pub struct Codecs(BTreeMap<String, Arc<dyn Codec>>);

impl Default for Codecs {
    fn default() -> Self {
        Self(BTreeMap::new()).with(NoCodec).with(Gzip).with(Snappy).with(Lz4).with(Zstd)
    }
}

impl Codecs {
    /// Adds a codec, or replaces the one of its name.
    #[must_use]
    pub fn with(mut self, codec: impl Codec) -> Self {
        self.0.insert(codec.codec_type().name, Arc::new(codec));
        self
    }

    /// Adds the encrypted form of every codec that is here, for readers that have keys.
    #[must_use]
    pub fn with_keys(mut self, keys: &Arc<dyn KeyProvider>, nonces: &Arc<dyn Nonces>) -> Self {
        for codec in self.0.clone().into_values() {
            if !Encrypted::is_name(&codec.codec_type().name) {
                self = self.with(Encrypted::new(codec, Arc::clone(keys), Arc::clone(nonces)));
            }
        }
        self
    }

    /// The names, in order; `""` for none.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The codec of this name.
    ///
    /// # Errors
    /// `Codec` with the names that are known here.
    pub fn get(&self, name: &str) -> CodecResult<&Arc<dyn Codec>> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.names().filter(|name| !name.is_empty()).collect();
            let hint = if Encrypted::is_name(name) { "; the reader was given no keys" } else { "" };
            CodecError::Codec(format!(
                "codec {name:?} is not known here; known are {}{hint}",
                known.join(", ")
            ))
        })
    }

    /// Undoes what an encoding's codec did.
    pub fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>> {
        self.get(&codec_type.name)?.decode(bytes, codec_type)
    }
}

/// A codec's type without properties.
fn named(name: &str) -> CodecType {
    CodecType { name: name.to_owned(), ..CodecType::default() }
}

/// Reads what a decompressor gives, and no more than [`MAX_DECODED_BYTES`].
fn bounded(decoder: &mut impl Read, codec: &str) -> CodecResult<Vec<u8>> {
    let mut decoded = Vec::new();
    let most = MAX_DECODED_BYTES as u64 + 1;
    decoder
        .take(most)
        .read_to_end(&mut decoded)
        .map_err(|e| CodecError::Codec(format!("the payload is not {codec}: {e}")))?;
    fits(decoded.len() as u64, codec)?;
    Ok(decoded)
}

/// Refuses a size that no event has.
fn fits(bytes: u64, codec: &str) -> CodecResult<()> {
    if bytes > MAX_DECODED_BYTES as u64 {
        return Err(CodecError::Codec(format!(
            "the {codec} payload is larger than {MAX_DECODED_BYTES} bytes"
        )));
    }
    Ok(())
}
