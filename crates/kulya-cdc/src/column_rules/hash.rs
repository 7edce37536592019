//! The hash in place of a value: its algorithm, the bytes that are hashed, and the hexadecimal digits.

use md5::{Digest, Md5};
use ring::digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An algorithm, with the name that Java gives it, in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HashAlgorithm {
    /// MD5: values can be found by trying.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/256.
    Sha512Of256,
}

/// A name of no supported algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hash algorithm {0:?} is not supported: use MD5, SHA-1, SHA-256, SHA-384, SHA-512 or SHA-512/256")]
pub struct UnknownAlgorithm(String);

impl HashAlgorithm {
    const NAMES: [(&str, Self); 9] = [
        ("MD5", Self::Md5),
        ("SHA-1", Self::Sha1),
        ("SHA1", Self::Sha1),
        ("SHA", Self::Sha1),
        ("SHA-256", Self::Sha256),
        ("SHA-384", Self::Sha384),
        ("SHA-512", Self::Sha512),
        ("SHA-512/256", Self::Sha512Of256),
        ("SHA256", Self::Sha256),
    ];

    /// Returns the algorithm of a name, in any case.
    ///
    /// # Errors
    /// `UnknownAlgorithm`.
    pub fn from_name(name: &str) -> Result<Self, UnknownAlgorithm> {
        let found = Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, algorithm)| *algorithm).ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }

    fn ring(self) -> Option<&'static digest::Algorithm> {
        Some(match self {
            Self::Md5 => return None,
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
            Self::Sha512Of256 => &digest::SHA512_256,
        })
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
        match self.algorithm.ring() {
            None => {
                let mut context = Md5::new();
                context.update(&self.salt);
                self.feed(text, |bytes| context.update(bytes));
                self.write_digits(&context.finalize(), out);
            }
            Some(algorithm) => {
                let mut context = digest::Context::new(algorithm);
                context.update(&self.salt);
                self.feed(text, |bytes| context.update(bytes));
                self.write_digits(context.finish().as_ref(), out);
            }
        }
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

    #[test]
    fn algorithms_have_javas_names() {
        for (name, length) in [
            ("md5", 32),
            ("SHA", 40),
            ("SHA-256", 64),
            ("sha-384", 96),
            ("SHA-512", 128),
            ("SHA-512/256", 64),
        ] {
            let algorithm: HashAlgorithm = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            let (version, salt) = (HashVersion::V2, b"salt".to_vec());
            let mut out = Vec::new();
            TextHash { algorithm, version, salt, max_digits: 200 }.write("text", &mut out);
            assert_eq!(out.len(), length, "{name}");
        }
        let error = HashAlgorithm::from_name("SHA3-256").unwrap_err();
        assert!(error.to_string().contains("\"SHA3-256\" is not supported"), "{error}");
        assert_eq!(serde_json::to_string(&HashAlgorithm::Sha1).unwrap(), "\"SHA-1\"");
    }
}
