//! Authentication methods: what a client proves its password with, as functions on values.
//!
//! SHA-1, SHA-256 and SHA-512 are ring's, which the workspace has for TLS. MariaDB's `client_ed25519` needs
//! Ed25519 with a key from any password, which ring does not accept; `curve25519-dalek` has the arithmetic,
//! and is one crate and its macro, because its dependencies are in the tree already. `mysql_common` has the
//! same methods, in four new crates, of which one is a second decoder of the protocol and the log: too much
//! for three hashes.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};

/// An authentication method that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// `mysql_native_password`: SHA-1 of password and nonce.
    Native,
    /// `caching_sha2_password`: SHA-256 of password and nonce, or the password over a secure connection.
    CachingSha2,
    /// `client_ed25519` of MariaDB: a signature of the nonce.
    Ed25519,
}

impl Method {
    const NAMES: [(&str, Self); 3] = [
        ("mysql_native_password", Self::Native),
        ("caching_sha2_password", Self::CachingSha2),
        ("client_ed25519", Self::Ed25519),
    ];

    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, method)| *method)
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| *name)
    }

    /// Returns the nonce of the data that the server sends for this method: without the zero byte behind it,
    /// which not every method has.
    pub(super) fn nonce(self, data: &[u8]) -> &[u8] {
        let length = match self {
            Self::Native | Self::CachingSha2 => 20,
            Self::Ed25519 => 32,
        };
        data.get(..length).unwrap_or(data)
    }

    /// Returns the response to the server's nonce.
    pub(super) fn response(self, password: &[u8], nonce: &[u8]) -> Vec<u8> {
        match self {
            // an empty response means an empty password
            Self::Native | Self::CachingSha2 if password.is_empty() => Vec::new(),
            Self::Native => native(password, nonce),
            Self::CachingSha2 => caching_sha2(password, nonce),
            Self::Ed25519 => ed25519(password, nonce),
        }
    }
}

/// Returns what an operator does about a method that is not supported.
pub(super) fn unsupported_advice(name: &[u8], account: &str) -> String {
    let name = super::field::display_text(name);
    let reason = match name.as_str() {
        "mysql_clear_password" | "dialog" => "the server asks for the password itself",
        "sha256_password" => "the server's authentication method sha256_password is deprecated",
        "mysql_old_password" => "the account's password has the format of MySQL 4.0",
        _ => "the account's authentication method is not supported yet",
    };
    format!(
        "{reason} ({name}): run ALTER USER {account} IDENTIFIED WITH caching_sha2_password BY '…' on MySQL, or ALTER USER {account} IDENTIFIED VIA mysql_native_password USING PASSWORD('…') on MariaDB"
    )
}

fn native(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| digest(&SHA1_FOR_LEGACY_USE_ONLY, parts);
    let once = hash(&[password]);
    xor(once.as_ref(), hash(&[nonce, hash(&[once.as_ref()]).as_ref()]).as_ref())
}

fn caching_sha2(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| digest(&SHA256, parts);
    let once = hash(&[password]);
    xor(once.as_ref(), hash(&[hash(&[once.as_ref()]).as_ref(), nonce]).as_ref())
}

/// Signs the nonce as Ed25519 does (RFC 8032, 5.1.6), with the password in place of the 32-byte secret key.
fn ed25519(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let secret = digest(&SHA512, &[password]);
    let (scalar, prefix) = secret.as_ref().split_at(32);
    let secret_scalar = Scalar::from_bytes_mod_order(clamp_integer(scalar.try_into().unwrap_or_default()));
    let public = EdwardsPoint::mul_base(&secret_scalar).compress();
    let random_scalar = wide_scalar(&[prefix, nonce]);
    let commitment = EdwardsPoint::mul_base(&random_scalar).compress();
    let challenge = wide_scalar(&[commitment.as_bytes(), public.as_bytes(), nonce]);
    let response = random_scalar + challenge * secret_scalar;
    [commitment.to_bytes(), response.to_bytes()].concat()
}

fn wide_scalar(parts: &[&[u8]]) -> Scalar {
    let mut bytes = [0; 64];
    bytes.copy_from_slice(digest(&SHA512, parts).as_ref());
    Scalar::from_bytes_mod_order_wide(&bytes)
}

fn digest(algorithm: &'static Algorithm, parts: &[&[u8]]) -> ring::digest::Digest {
    let mut context = Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

pub(super) fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

    const NONCE: &[u8] = b"0123456789abcdefghij";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A server stores the hash of the hash, and gets the hash out of the response.
    #[test]
    fn a_server_verifies_the_hashes() {
        let response = Method::Native.response(b"secret", NONCE);
        let stored =
            digest(&SHA1_FOR_LEGACY_USE_ONLY, &[digest(&SHA1_FOR_LEGACY_USE_ONLY, &[b"secret"]).as_ref()]);
        // PASSWORD('secret')
        assert_eq!(hex(stored.as_ref()), "14e65567abdb5135d0cfd9a70b3032c179a49ee7");
        let once = xor(&response, digest(&SHA1_FOR_LEGACY_USE_ONLY, &[NONCE, stored.as_ref()]).as_ref());
        assert_eq!(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[&once]).as_ref(), stored.as_ref());

        let response = Method::CachingSha2.response(b"secret", NONCE);
        let stored = digest(&SHA256, &[digest(&SHA256, &[b"secret"]).as_ref()]);
        let once = xor(&response, digest(&SHA256, &[stored.as_ref(), NONCE]).as_ref());
        assert_eq!(digest(&SHA256, &[&once]).as_ref(), stored.as_ref());
    }

    #[test]
    fn signatures_are_those_of_ed25519_for_a_password_of_32_bytes() {
        let password = b"a password that has 32 bytes ok!";
        let pair = Ed25519KeyPair::from_seed_unchecked(password).unwrap();
        let response = Method::Ed25519.response(password, &[7; 32]);
        assert_eq!(response, pair.sign(&[7; 32]).as_ref());
        let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref().to_vec());
        key.verify(&[7; 32], &response).unwrap();
        assert_eq!(Method::Ed25519.response(b"", b"").len(), 64);
    }

    #[test]
    fn an_empty_password_has_an_empty_response() {
        assert!(Method::Native.response(b"", NONCE).is_empty());
        assert!(Method::CachingSha2.response(b"", NONCE).is_empty());
    }

    #[test]
    fn methods_have_names() {
        for (name, method) in Method::NAMES {
            assert_eq!((Method::from_name(name.as_bytes()), method.name()), (Some(method), name));
        }
        assert_eq!(Method::from_name(b"mysql_clear_password"), None);
        let advice = unsupported_advice(b"auth_gssapi_client", "'me'@'%'");
        assert!(advice.contains("auth_gssapi_client") && advice.contains("ALTER USER 'me'@'%'"), "{advice}");
    }
}
