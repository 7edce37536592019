//! The hash in place of a value: its algorithm, the bytes that are hashed, and the hexadecimal digits.

use md5::{Digest, Md5};
use ring::digest;
use serde::{Deserialize, Serialize};
use sha2::{Sha224, Sha512_224};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use std::fmt;

/// An algorithm, with the name that Java gives it, in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HashAlgorithm {
    /// MD5: values can be found by trying.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/224.
    Sha512Of224,
    /// SHA-512/256.
    Sha512Of256,
    /// SHA3-224.
    Sha3Of224,
    /// SHA3-256.
    Sha3Of256,
    /// SHA3-384.
    Sha3Of384,
    /// SHA3-512.
    Sha3Of512,
}

/// A name of no supported algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "hash algorithm {0:?} is not supported: use MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224, \
     SHA-512/256, SHA3-224, SHA3-256, SHA3-384 or SHA3-512"
)]
pub struct UnknownAlgorithm(String);

impl HashAlgorithm {
    /// The names of Java's providers; the first one of an algorithm is written.
    const NAMES: [(&str, Self); 20] = [
        ("MD5", Self::Md5),
        ("SHA-1", Self::Sha1),
        ("SHA1", Self::Sha1),
        ("SHA", Self::Sha1),
        ("SHA-224", Self::Sha224),
        ("SHA224", Self::Sha224),
        ("SHA-256", Self::Sha256),
        ("SHA256", Self::Sha256),
        ("SHA-384", Self::Sha384),
        ("SHA384", Self::Sha384),
        ("SHA-512", Self::Sha512),
        ("SHA512", Self::Sha512),
        ("SHA-512/224", Self::Sha512Of224),
        ("SHA512/224", Self::Sha512Of224),
        ("SHA-512/256", Self::Sha512Of256),
        ("SHA512/256", Self::Sha512Of256),
        ("SHA3-224", Self::Sha3Of224),
        ("SHA3-256", Self::Sha3Of256),
        ("SHA3-384", Self::Sha3Of384),
        ("SHA3-512", Self::Sha3Of512),
    ];

    /// Returns the algorithm of a name, in any case.
    ///
    /// # Errors
    /// `UnknownAlgorithm`.
    pub fn from_name(name: &str) -> Result<Self, UnknownAlgorithm> {
        let found = Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, algorithm)| *algorithm).ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

impl TryFrom<String> for HashAlgorithm {
    type Error = UnknownAlgorithm;

    fn try_from(name: String) -> Result<Self, UnknownAlgorithm> {
        Self::from_name(&name)
    }
}

impl From<HashAlgorithm> for String {
    fn from(algorithm: HashAlgorithm) -> Self {
        let found = HashAlgorithm::NAMES.iter().find(|(_, known)| *known == algorithm);
        found.map_or("", |(name, _)| name).to_owned()
    }
}

/// Which bytes of a value are hashed. The variants' names are Debezium's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashVersion {
    /// The text as Java serializes an object (`column.mask.hash.ALGORITHM.with.salt.SALT`).
    V1,
    /// The text in UTF-8 (`column.mask.hash.v2.ALGORITHM.with.salt.SALT`).
    #[default]
    V2,
}

/// A hash of texts.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct TextHash {
    pub(super) algorithm: HashAlgorithm,
    pub(super) version: HashVersion,
    pub(super) salt: Vec<u8>,
    /// The maximum number of digits.
    pub(super) max_digits: usize,
}

/// Omits the salt.
impl fmt::Debug for TextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {}", self.algorithm, self.version, self.max_digits)
    }
}

impl TextHash {
    /// Writes the digits of a text's hash.
    pub(super) fn write(&self, text: &str, out: &mut Vec<u8>) {
        match self.algorithm {
            HashAlgorithm::Md5 => {
                let mut context = Md5::new();
                context.update(&self.salt);
                self.feed(text, |bytes| context.update(bytes));
                self.write_digits(&context.finalize(), out);
            }
            HashAlgorithm::Sha1 => self.write_ring(&digest::SHA1_FOR_LEGACY_USE_ONLY, text, out),
            HashAlgorithm::Sha224 => self.write_sha::<Sha224>(text, out),
            HashAlgorithm::Sha256 => self.write_ring(&digest::SHA256, text, out),
            HashAlgorithm::Sha384 => self.write_ring(&digest::SHA384, text, out),
            HashAlgorithm::Sha512 => self.write_ring(&digest::SHA512, text, out),
            HashAlgorithm::Sha512Of224 => self.write_sha::<Sha512_224>(text, out),
            HashAlgorithm::Sha512Of256 => self.write_ring(&digest::SHA512_256, text, out),
            HashAlgorithm::Sha3Of224 => self.write_sha::<Sha3_224>(text, out),
            HashAlgorithm::Sha3Of256 => self.write_sha::<Sha3_256>(text, out),
            HashAlgorithm::Sha3Of384 => self.write_sha::<Sha3_384>(text, out),
            HashAlgorithm::Sha3Of512 => self.write_sha::<Sha3_512>(text, out),
        }
    }

    fn write_ring(&self, algorithm: &'static digest::Algorithm, text: &str, out: &mut Vec<u8>) {
        let mut context = digest::Context::new(algorithm);
        context.update(&self.salt);
        self.feed(text, |bytes| context.update(bytes));
        self.write_digits(context.finish().as_ref(), out);
    }

    fn write_sha<D: sha2::Digest>(&self, text: &str, out: &mut Vec<u8>) {
        let mut context = D::new();
        context.update(&self.salt);
        self.feed(text, |bytes| context.update(bytes));
        self.write_digits(&context.finalize(), out);
    }

    fn feed(&self, text: &str, mut update: impl FnMut(&[u8])) {
        match self.version {
            HashVersion::V2 => update(text.as_bytes()),
            HashVersion::V1 => serialize(text, update),
        }
    }

    fn write_digits(&self, hash: &[u8], out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| DIGITS.get(usize::from(digit)).copied());
        out.extend(digits.take(self.max_digits));
    }
}

/// Hands over the bytes of a text as Java's object streams have it (Java Object Serialization Specification,
/// "Grammar for the Stream Format").
fn serialize(text: &str, mut update: impl FnMut(&[u8])) {
    const MAGIC_AND_VERSION: [u8; 4] = [0xac, 0xed, 0, 5];
    const STRING: u8 = 0x74;
    const LONG_STRING: u8 = 0x7c;
    let is_plain = |c: char| c != '\0' && c.len_utf8() < 4;
    let length: usize = text.chars().map(modified_length).sum();
    update(&MAGIC_AND_VERSION);
    match u16::try_from(length) {
        Ok(length) => {
            update(&[STRING]);
            update(&length.to_be_bytes());
        }
        Err(_) => {
            update(&[LONG_STRING]);
            update(&(length as u64).to_be_bytes());
        }
    }
    if text.chars().all(is_plain) {
        return update(text.as_bytes());
    }
    let mut buffer = [0; 4];
    for c in text.chars() {
        match c {
            '\0' => update(&[0xc0, 0x80]),
            _ if is_plain(c) => update(c.encode_utf8(&mut buffer).as_bytes()),
            _ => {
                // each half of a pair on its own
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let part = |shift: u16| (*unit >> shift) as u8 & 0x3f;
                    update(&[0xe0 | (*unit >> 12) as u8, 0x80 | part(6), 0x80 | part(0)]);
                }
            }
        }
    }
}

/// Returns the number of a character's bytes in Java's modified UTF-8.
fn modified_length(c: char) -> usize {
    match c.len_utf8() {
        1 if c == '\0' => 2,
        4 => 6,
        length => length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_serialized_as_by_java() {
        let bytes = |text: &str| {
            let mut out = Vec::new();
            serialize(text, |part| out.extend_from_slice(part));
            out
        };
        assert_eq!(bytes("aü"), b"\xac\xed\0\x05t\0\x03a\xc3\xbc");
        assert_eq!(bytes("\0😀"), b"\xac\xed\0\x05t\0\x08\xc0\x80\xed\xa0\xbd\xed\xb8\x80");
        let long = bytes(&"x".repeat(65_536));
        assert_eq!(long.get(..13), Some(&b"\xac\xed\0\x05|\0\0\0\0\0\x01\0\0"[..]));
        assert_eq!(bytes(&"x".repeat(65_535)).get(4..7), Some(&b"t\xff\xff"[..]));
    }

    /// The digits are those of Java 17.
    #[test]
    fn algorithms_are_javas() {
        for (name, length, digits) in [
            ("md5", 32, "49625075c45179ce"),
            ("SHA", 40, "d3fb7b90bd25bb58"),
            ("SHA224", 56, "1d3674abcc4eb205"),
            ("SHA-256", 64, "8f40d2c1caea4f10"),
            ("sha-384", 96, "06c478aa563b3f1e"),
            ("SHA512", 128, "1623e7fbd31be582"),
            ("SHA-512/224", 56, "71a60f87316b459d"),
            ("SHA512/256", 64, "eb65dd5c01f84926"),
            ("SHA3-224", 56, "b296c6eddaf7d284"),
            ("sha3-256", 64, "a0d58dd9ff6c80db"),
            ("SHA3-384", 96, "c037dce69823fd01"),
            ("SHA3-512", 128, "825bd8cfc2c5ecac"),
        ] {
            let algorithm: HashAlgorithm = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            let (version, salt) = (HashVersion::V2, b"salt".to_vec());
            let mut out = Vec::new();
            TextHash { algorithm, version, salt, max_digits: 200 }.write("text", &mut out);
            assert_eq!(out.len(), length, "{name}");
            assert!(out.starts_with(digits.as_bytes()), "{name}: {}", String::from_utf8_lossy(&out));
        }
        for name in ["MD2", "SHA3256", "SHAKE256", ""] {
            let error = HashAlgorithm::from_name(name).unwrap_err();
            assert!(error.to_string().contains(&format!("{name:?} is not supported")), "{error}");
        }
        for (_, algorithm) in HashAlgorithm::NAMES {
            let text = serde_json::to_string(&algorithm).unwrap();
            assert_eq!(serde_json::from_str::<HashAlgorithm>(&text).unwrap(), algorithm);
        }
        assert_eq!(serde_json::to_string(&HashAlgorithm::Sha1).unwrap(), "\"SHA-1\"");
    }
}
