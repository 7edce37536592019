//! Encryption of a password with the server's RSA key (OAEP with SHA-1, RFC 8017, 7.1), for
//! `caching_sha2_password` without TLS.
//!
//! Ring has no RSA encryption; the crate `rsa` would bring eleven crates: its own big integers, primes and
//! key formats. Of RSA only the power with the public exponent is needed, which `num-bigint` of this crate
//! has. Its time is not constant, but depends on the padded message, which a random seed makes different each
//! time.

use super::authentication::xor;
use num_bigint::BigUint;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use thiserror::Error;
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Bytes of a seed, and of a SHA-1 hash.
pub(super) const SEED_BYTES: usize = 20;
/// Sizes of a key's modulus that are accepted, in bytes: 1024 to 16384 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 128..=2048;
/// Maximum size of the public exponent, in bytes; in practice it is 65537.
const MAX_EXPONENT_BYTES: usize = 4;

/// A key that cannot be used, or a password that is too long for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum RsaError {
    #[error("the server's public key is no RSA key in PEM format of 1024 to 16384 bits")]
    InvalidKey,
    #[error("the password is too long for the server's RSA key: use TLS")]
    TooLong,
}

/// Encrypts a message of up to the key's size minus 42 bytes. The seed must be random.
pub(super) fn encrypt(key_pem: &[u8], message: &[u8], seed: &[u8; SEED_BYTES]) -> Result<Vec<u8>, RsaError> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(key_pem).map_err(|_| RsaError::InvalidKey)?;
    let (modulus, exponent) = public_key(&key).ok_or(RsaError::InvalidKey)?;
    if !MODULUS_BYTES.contains(&modulus.len()) || exponent.is_empty() || exponent.len() > MAX_EXPONENT_BYTES {
        return Err(RsaError::InvalidKey);
    }
    let block = pad(message, seed, modulus.len()).ok_or(RsaError::TooLong)?;
    let power = BigUint::from_bytes_be(&block)
        .modpow(&BigUint::from_bytes_be(exponent), &BigUint::from_bytes_be(modulus));
    let power = power.to_bytes_be();
    let mut encrypted = vec![0; modulus.len().saturating_sub(power.len())];
    encrypted.extend(power);
    Ok(encrypted)
}

/// Pads a message to a block; `None` if it is too long.
fn pad(message: &[u8], seed: &[u8; SEED_BYTES], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(2 * SEED_BYTES + 2)?.checked_sub(message.len())?;
    let label_hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, b"");
    let data = [label_hash.as_ref(), &vec![0; zeros], &[1], message].concat();
    let masked_data = xor(&data, &mask(seed, data.len()));
    let masked_seed = xor(seed, &mask(&masked_data, SEED_BYTES));
    Some([&[0][..], &masked_seed, &masked_data].concat())
}

/// Returns MGF1's mask.
fn mask(seed: &[u8], length: usize) -> Vec<u8> {
    let blocks =
        (0_u32..).map(|counter| digest(&SHA1_FOR_LEGACY_USE_ONLY, &[seed, &counter.to_be_bytes()].concat()));
    let blocks = blocks.take(length.div_ceil(SEED_BYTES));
    let mut mask: Vec<u8> = blocks.flat_map(|block| block.as_ref().to_vec()).collect();
    mask.truncate(length);
    mask
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// The algorithm identifier of RSA keys, `rsaEncryption` without parameters.
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// Returns modulus and exponent of a SubjectPublicKeyInfo in DER.
fn public_key(mut input: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut info = element(&mut input, SEQUENCE)?;
    (element(&mut info, SEQUENCE)? == RSA).then_some(())?;
    // without unused bits in the last byte
    let mut key = element(&mut info, BIT_STRING)?.strip_prefix(&[0])?;
    let mut key = element(&mut key, SEQUENCE)?;
    Some((positive(element(&mut key, INTEGER)?), positive(element(&mut key, INTEGER)?)))
}

/// Takes a DER element with the given tag; returns its content.
fn element<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let [found, first, rest @ ..] = *input else { return None };
    if *found != tag {
        return None;
    }
    let (length, mut rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => {
            rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?
        }
        _ => return None,
    };
    let content = rest.split_off(..length)?;
    *input = rest;
    Some(content)
}

/// Removes an integer's leading zero bytes.
fn positive(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const KEY: &[u8] = include_bytes!("../../../tests/data/mysql/rsa/public.pem");
    /// The private exponent of the same key, in hexadecimal digits.
    const PRIVATE: &str = include_str!("../../../tests/data/mysql/rsa/private-exponent.txt");

    /// Decrypts as a server does.
    pub(crate) fn decrypt(encrypted: &[u8]) -> Vec<u8> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(KEY).unwrap();
        let (modulus, _) = public_key(&key).unwrap();
        let private = BigUint::parse_bytes(PRIVATE.trim().as_bytes(), 16).unwrap();
        let block = BigUint::from_bytes_be(encrypted).modpow(&private, &BigUint::from_bytes_be(modulus));
        let bytes = block.to_bytes_be();
        let block = [vec![0; modulus.len() - bytes.len()], bytes].concat();
        let (masked_seed, masked_data) = block[1..].split_at(SEED_BYTES);
        let seed = xor(masked_seed, &mask(masked_data, SEED_BYTES));
        let data = xor(masked_data, &mask(&seed, masked_data.len()));
        assert_eq!(&data[..SEED_BYTES], digest(&SHA1_FOR_LEGACY_USE_ONLY, b"").as_ref());
        let one = SEED_BYTES + data[SEED_BYTES..].iter().position(|byte| *byte != 0).unwrap();
        assert_eq!(data[one], 1);
        data[one + 1..].to_vec()
    }

    #[test]
    fn the_private_key_decrypts() {
        for message in [&b""[..], b"secret\0", &[255; 214]] {
            let encrypted = encrypt(KEY, message, &[3; SEED_BYTES]).unwrap();
            assert_eq!(encrypted.len(), 256);
            assert_eq!(decrypt(&encrypted), message);
        }
        assert_eq!(encrypt(KEY, &[1; 215], &[3; SEED_BYTES]), Err(RsaError::TooLong));
    }

    #[test]
    fn other_keys_are_refused() {
        for key in [&b""[..], b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n", b"secret"] {
            assert_eq!(encrypt(key, b"x", &[0; SEED_BYTES]), Err(RsaError::InvalidKey));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_key_or_not(bytes in prop::collection::vec(any::<u8>(), 0..600), at in 0_usize..290, with: u8) {
            let _ = public_key(&bytes);
            let mut key = SubjectPublicKeyInfoDer::from_pem_slice(KEY).unwrap().to_vec();
            key[at] = with;
            let _ = public_key(&key);
        }
    }
}
