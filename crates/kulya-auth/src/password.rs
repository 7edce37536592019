//! Password hashes as the Pravega servers store them: the hexadecimal digits of `iterations:salt:key`, with
//! salt and key themselves in hexadecimal digits; the key is PBKDF2 with HMAC-SHA-256.

use crate::Error;
use kulya_store::hex;
use ring::pbkdf2;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// Iterations of a new hash. The Java servers use 5000 and accept any number.
pub const ITERATIONS: NonZeroU32 = NonZeroU32::new(200_000).expect("not zero");
/// A hash with more iterations is rejected: every failed login would have to pay for them.
const MAX_ITERATIONS: u32 = 10_000_000;
const KEY_BYTES: usize = 64;
/// Bytes of a key that one round of iterations derives.
const BLOCK_BYTES: usize = 32;
/// Longest salt and longest key, in bytes.
const MAX_BYTES: usize = 1024;

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    key: Vec<u8>,
}

impl PasswordHash {
    /// Hashes a password; the caller draws a random `salt` for each hash. Takes some hundred milliseconds at
    /// [`ITERATIONS`].
    pub fn new(password: &[u8], salt: [u8; 32], iterations: NonZeroU32) -> Self {
        let mut key = vec![0; KEY_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password, &mut key);
        Self { iterations, salt: salt.to_vec(), key }
    }

    /// Verifies a password in constant time. Takes as long as creating the hash.
    pub fn verify(&self, password: &[u8]) -> bool {
        let (algorithm, salt) = (pbkdf2::PBKDF2_HMAC_SHA256, &self.salt);
        pbkdf2::verify(algorithm, self.iterations, salt, password, &self.key).is_ok()
    }

    /// The work of verifying a password, in iterations of the keyed hash.
    pub(crate) fn work(&self) -> u64 {
        u64::from(self.iterations.get()) * (self.key.len().div_ceil(BLOCK_BYTES) as u64)
    }

    /// Returns the number of iterations.
    pub fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }
}

/// Takes as long as verifying a password with so many iterations; returns the iterations done.
pub(crate) fn simulate_verification(work: u64, password: &[u8]) -> u64 {
    let Some(iterations) = u32::try_from(work).ok().and_then(NonZeroU32::new) else { return 0 };
    let mut key = [0; BLOCK_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &[0; 32], password, &mut key);
    // keeps the compiler from removing a result that nobody uses
    std::hint::black_box(key);
    work
}

impl FromStr for PasswordHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| {
            let form = "the hexadecimal digits of iterations:salt:key";
            Error::new(format!("a password hash is not {form}: create one with kulya account hash"))
        })
    }
}

fn parse(text: &str) -> Option<PasswordHash> {
    let inner = String::from_utf8(hex::decode(text.as_bytes())?).ok()?;
    let mut parts = inner.split(':');
    let (iterations, salt, key) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let iterations: u32 = iterations.parse().ok().filter(|iterations| *iterations <= MAX_ITERATIONS)?;
    let bytes = |digits: &str| hex::decode(digits.as_bytes()).filter(|bytes| bytes.len() <= MAX_BYTES);
    let key = bytes(key).filter(|key| !key.is_empty())?;
    Some(PasswordHash { iterations: NonZeroU32::new(iterations)?, salt: bytes(salt)?, key })
}

/// Formats the hash as the account file stores it.
impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = format!("{}:{}:{}", self.iterations, hex::encode(&self.salt), hex::encode(&self.key));
        f.write_str(&hex::encode(inner.as_bytes()))
    }
}

/// Omits salt and key.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Created by the Java servers' own hasher.
    const JAVA: &str = "353030303a313866373866383536383064633263626662383764386631326465343736323538386162363461613634313261613661633138623732346464316431643638303a6534656438313634366439356139323037383034383636323034393764666432336630376634613635333665633733393864396335366261373461633266613662383065326462333966643638376231303432613136626536356338613636316138323030383962653666616134356263626139333061613665663864636566";

    #[test]
    fn a_hash_of_the_java_servers_is_parsed() {
        let hash: PasswordHash = JAVA.parse().unwrap();
        assert!(hash.verify(b"1111_aaaa") && !hash.verify(b"1111_aaab"));
        assert_eq!((hash.iterations().get(), hash.to_string().as_str()), (5000, JAVA));
    }

    #[test]
    fn a_new_hash_has_the_java_form() {
        let few = NonZeroU32::new(5000).unwrap();
        let made = PasswordHash::new(b"1111_aaaa", [7; 32], few);
        let text = made.to_string();
        assert_eq!(text.len(), 396);
        let read: PasswordHash = text.parse().unwrap();
        assert!(read == made && read.verify(b"1111_aaaa") && !read.verify(b"1111_aaab") && !read.verify(b""));
        let inner = String::from_utf8(hex::decode(text.as_bytes()).unwrap()).unwrap();
        assert!(inner.starts_with("5000:0707"), "{inner}");
        assert!(!format!("{made:?}").contains(&inner[5..20]));
    }

    #[test]
    fn invalid_hashes_are_rejected() {
        let hexed = |inner: &str| hex::encode(inner.as_bytes());
        for bad in [
            "zz".to_owned(),
            String::new(),
            hexed("5000:aa"),
            hexed("0:aa:bb"),
            hexed("-1:aa:bb"),
            hexed("5000:aa:bb:cc"),
            hexed("5000:aa:"),
            hexed("4000000000:aa:bb"),
            hexed("5000:a:bb"),
        ] {
            assert!(bad.parse::<PasswordHash>().is_err(), "{bad}");
        }
    }
}
