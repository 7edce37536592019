//! What a payload may be put through. A codec has the name that the registry knows; users add their own by
//! implementing [`Codec`].

use crate::{CodecError, CodecResult};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use kulya_schema::CodecType;
use std::collections::HashMap;
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

/// The bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCodec;

impl Codec for NoCodec {
    fn codec_type(&self) -> CodecType {
        CodecType::default()
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        Ok(payload.to_vec())
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        Ok(bytes.to_vec())
    }
}

/// RFC 1952 gzip.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gzip;

impl Gzip {
    /// The name under which Java knows it.
    pub const NAME: &str = "application/x-gzip";
}

impl Codec for Gzip {
    fn codec_type(&self) -> CodecType {
        CodecType { name: Self::NAME.to_owned(), ..CodecType::default() }
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        let mut encoded = Vec::new();
        GzEncoder::new(payload, Compression::default())
            .read_to_end(&mut encoded)
            .map_err(|e| CodecError::Compression(format!("gzip failed: {e}")))?;
        Ok(encoded)
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        let mut decoded = Vec::new();
        let most = MAX_DECODED_BYTES as u64 + 1;
        GzDecoder::new(bytes)
            .take(most)
            .read_to_end(&mut decoded)
            .map_err(|e| CodecError::Compression(format!("the payload is not gzip: {e}")))?;
        if decoded.len() > MAX_DECODED_BYTES {
            return Err(CodecError::Compression(format!(
                "the gzip payload is larger than {MAX_DECODED_BYTES} bytes"
            )));
        }
        Ok(decoded)
    }
}

/// The codecs a reader knows, by name: none and gzip from the start.
#[derive(Clone)]
pub struct Codecs(HashMap<String, Arc<dyn Codec>>);

impl Default for Codecs {
    fn default() -> Self {
        Self(HashMap::new()).with(NoCodec).with(Gzip)
    }
}

impl Codecs {
    /// Adds a codec, or replaces the one of its name.
    #[must_use]
    pub fn with(mut self, codec: impl Codec) -> Self {
        self.0.insert(codec.codec_type().name, Arc::new(codec));
        self
    }

    /// Undoes what an encoding's codec did.
    pub fn decode(&self, bytes: &[u8], codec_type: &CodecType) -> CodecResult<Vec<u8>> {
        let codec = self.0.get(&codec_type.name).ok_or_else(|| {
            let mut known: Vec<&str> =
                self.0.keys().map(String::as_str).filter(|name| !name.is_empty()).collect();
            known.sort_unstable();
            CodecError::Compression(format!(
                "codec {:?} is not supported yet; known are {}",
                codec_type.name,
                known.join(", ")
            ))
        })?;
        codec.decode(bytes, codec_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gzip_reads_back_and_is_bounded() {
        let codecs = Codecs::default();
        let encoded = Gzip.encode(b"some payload").unwrap();
        assert_eq!(codecs.decode(&encoded, &Gzip.codec_type()).unwrap(), b"some payload");
        let bomb = Gzip.encode(&vec![0; MAX_DECODED_BYTES + 1]).unwrap();
        assert!(codecs.decode(&bomb, &Gzip.codec_type()).unwrap_err().to_string().contains("larger than"));
        let unknown = CodecType { name: "application/x-other".into(), ..CodecType::default() };
        let refused = codecs.decode(b"", &unknown).unwrap_err().to_string();
        assert!(refused.contains("application/x-other") && refused.contains(Gzip::NAME), "{refused}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let _ = Codecs::default().decode(&bytes, &Gzip.codec_type());
            prop_assert_eq!(Gzip.decode(&Gzip.encode(&bytes).unwrap(), &Gzip.codec_type()).unwrap(), bytes);
        }
    }
}
