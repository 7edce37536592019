//! Codecs of payloads: compression, encryption, or both. The registry knows a codec by its name; users add
//! their own by implementing [`Codec`].
//!
//! | name | codec | other readers |
//! |---|---|---|
//! | `""` | [`NoCodec`] | all |
//! | `application/x-gzip` | [`Gzip`] | Java |
//! | `application/x-snappy-framed` | [`Snappy`] | Java |
//! | `application/x-lz4` | [`Lz4`] | Java with a custom codec |
//! | `application/zstd` | [`Zstd`] | Java with a custom codec |
//! | `application/x-xchacha20poly1305` | [`Encrypted`] | Java with a custom codec and the key |
//! | the same, `+` and a name above | [`Encrypted`] after that codec | Java with a custom codec and the key |
//!
//! Decoders accept arbitrary bytes and either decode or reject them; their output is at most
//! [`MAX_DECODED_BYTES`]. Trailing zero bytes of an encoded payload are ignored, since a Java writer may
//! write its whole buffer (contract §5.4). Zero bytes *within* the encoded payload are left to the format's
//! decoder, which knows where a value ends.

mod encrypted;
mod gzip;
mod interface;
mod keys;
mod lz4;
mod none;
mod snappy;
#[cfg(test)]
mod tests;
mod zstd;

pub use self::zstd::Zstd;
pub use encrypted::{Encrypted, NONCE_BYTES, NonceSource};
pub use gzip::Gzip;
pub use interface::{Codec, MAX_DECODED_BYTES};
pub use keys::{KEY_BYTES, Key, KeyProvider, Keyring};
pub use lz4::Lz4;
pub use none::NoCodec;
pub use snappy::Snappy;

use crate::{CodecError, CodecResult};
use kulya_schema::CodecType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The codecs of a deserializer, by name. The default is all codecs without encryption.
#[derive(Clone)]
pub struct Codecs(BTreeMap<String, Arc<dyn Codec>>);

impl Default for Codecs {
    fn default() -> Self {
        Self(BTreeMap::new()).with(NoCodec).with(Gzip).with(Snappy).with(Lz4).with(Zstd)
    }
}

impl Codecs {
    /// Adds a codec; replaces one of the same name.
    #[must_use]
    pub fn with(mut self, codec: impl Codec) -> Self {
        self.0.insert(codec.codec_type().name, Arc::new(codec));
        self
    }

    /// Adds the encrypted variant of every codec added so far.
    #[must_use]
    pub fn with_keys(mut self, keys: &Arc<dyn KeyProvider>, nonces: &Arc<dyn NonceSource>) -> Self {
        for codec in self.0.clone().into_values() {
            if !Encrypted::is_name(&codec.codec_type().name) {
                self = self.with(Encrypted::new(codec, Arc::clone(keys), Arc::clone(nonces)));
            }
        }
        self
    }

    /// Returns the names in order; `""` is no codec.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the codec of a name.
    ///
    /// # Errors
    /// `Codec` for an unknown name; the text lists the known ones.
    pub fn get(&self, name: &str) -> CodecResult<&Arc<dyn Codec>> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.names().filter(|name| !name.is_empty()).collect();
            let hint = if Encrypted::is_name(name) { "; the reader was given no keys" } else { "" };
            CodecError::Codec(format!("unknown codec {name:?}; known codecs are {}{hint}", known.join(", ")))
        })
    }

    /// Decodes a payload with the codec of its encoding.
    ///
    /// # Errors
    /// `Codec` for an unknown codec, and the errors of the codec.
    pub fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>> {
        self.get(&codec_type.name)?.decode(bytes, codec_type)
    }
}
