//! Bearer tokens: a JWT is valid when a key of the issuer's key set signed it, its issuer and audience match,
//! and it has not expired.
//!
//! The key decides the algorithm, never the token: an RSA key is never used as a shared secret, and `none` is
//! rejected. Accepted are RS256/384/512, PS256/384/512, ES256, ES384 and EdDSA (Ed25519).

mod crypto;
mod keys;

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation, decode_header};
pub use keys::{CachedKeySet, KeySource};
use keys::{Key, KeySet};
use kulya_store::clock::Clock;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Longest token that is accepted, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What a token must contain.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// The issuer (`iss`).
    pub issuer: String,
    /// The audience (`aud`), or one of several.
    pub audience: String,
    /// The tolerated difference between the issuer's clock and this one.
    pub leeway: Duration,
    /// The claim with the access control list, in the syntax of the account file.
    pub acl_claim: Option<String>,
    /// Whether a token without that claim gets the access control list of the account that its `sub` names.
    pub subject_is_account: bool,
}

impl TokenRules {
    /// Creates rules with the claim `kulya_acl`, without accounts for subjects, and with a leeway of 30
    /// seconds.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            leeway: Duration::from_secs(30),
            acl_claim: Some("kulya_acl".to_owned()),
            subject_is_account: false,
        }
    }
}

/// Why a token is invalid. For logs only: the caller is not given the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// The token cannot be parsed.
    Malformed,
    /// The algorithm is not accepted, or not the key's.
    Algorithm,
    /// The key is not in the issuer's key set, or the token names none and there are several.
    UnknownKey,
    /// The signature is wrong.
    Signature,
    /// The issuer is another one.
    Issuer,
    /// The audience is another one.
    Audience,
    /// The token has expired.
    Expired,
    /// The token is not valid yet.
    NotYetValid,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed token",
            Self::Algorithm => "token algorithm not accepted",
            Self::UnknownKey => "unknown token key",
            Self::Signature => "wrong token signature",
            Self::Issuer => "wrong token issuer",
            Self::Audience => "wrong token audience",
            Self::Expired => "token expired",
            Self::NotYetValid => "token not valid yet",
        })
    }
}

/// The claims of a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The caller's name (`sub`).
    pub subject: String,
    /// The access control list, if the token has one.
    pub acl: Option<String>,
}

/// Verifies tokens.
pub struct TokenVerifier {
    rules: TokenRules,
    keys: CachedKeySet,
    clock: Arc<dyn Clock>,
}

impl TokenVerifier {
    /// Creates a verifier with these rules and keys.
    pub fn new(rules: TokenRules, keys: CachedKeySet, clock: Arc<dyn Clock>) -> Self {
        Self { rules, keys, clock }
    }

    /// Returns the rules.
    pub fn rules(&self) -> &TokenRules {
        &self.rules
    }

    /// Fetches the key set now, so that a misconfigured source is reported before the first request.
    ///
    /// # Errors
    /// The source does not respond, or its response is not a key set with usable keys.
    pub async fn prefetch_keys(&self) -> Result<(), Error> {
        self.keys.refresh(self.clock.since_epoch()).await
    }

    /// Verifies a token; may fetch the issuer's keys. Cancel-safe.
    ///
    /// # Errors
    /// The token is invalid.
    pub async fn verify(&self, token: &[u8]) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let now = self.clock.since_epoch();
        let Header { algorithm, key_id } = parse_header(token)?;
        let has_key = |keys: &KeySet| keys.find(key_id.as_deref()).next().is_some();
        let keys = self.keys.fetch_unless(now, has_key).await;
        let (mut error, mut found) = (TokenError::UnknownKey, None);
        for key in keys.find(key_id.as_deref()) {
            match verify_signature(token, algorithm, key) {
                Ok(claims) => {
                    found = Some(claims);
                    break;
                }
                Err(why) => error = why,
            }
        }
        check_claims(&self.rules, now, &found.ok_or(error)?)
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules, keys, .. } = self;
        f.debug_struct("TokenVerifier").field("rules", rules).field("keys", keys).finish_non_exhaustive()
    }
}

struct Header {
    algorithm: Algorithm,
    key_id: Option<String>,
}

fn parse_header(token: &[u8]) -> Result<Header, TokenError> {
    let encoded = token.split(|byte| *byte == b'.').next().unwrap_or_default();
    let decoded = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenError::Malformed)?;
    let raw: Value = serde_json::from_slice(&decoded).map_err(|_| TokenError::Malformed)?;
    // critical extensions, none of which is supported
    if raw.get("crit").is_some() {
        return Err(TokenError::Malformed);
    }
    let named = raw.get("alg").and_then(Value::as_str).ok_or(TokenError::Malformed)?;
    let algorithm: Algorithm = named.parse().map_err(|_| TokenError::Algorithm)?;
    if !crypto::ACCEPTED.contains(&algorithm) {
        return Err(TokenError::Algorithm);
    }
    let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
    Ok(Header { algorithm, key_id: header.kid })
}

fn verify_signature(token: &[u8], algorithm: Algorithm, key: &Key) -> Result<Value, TokenError> {
    use jsonwebtoken::errors::ErrorKind;
    if !key.algorithms.contains(&algorithm) {
        return Err(TokenError::Algorithm);
    }
    crypto::install();
    let mut validation = Validation::new(algorithm);
    // the library would use the system's time; `check_claims` uses our clock
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    validation.required_spec_claims = HashSet::new();
    let decoded = jsonwebtoken::decode(token, &key.key, &validation);
    decoded.map(|data| data.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => TokenError::Algorithm,
        _ => TokenError::Malformed,
    })
}

#[derive(Deserialize)]
struct Registered {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn check_claims(rules: &TokenRules, now: Duration, claims: &Value) -> Result<Claims, TokenError> {
    let Registered { iss, sub, aud, exp, nbf } =
        Registered::deserialize(claims).map_err(|_| TokenError::Malformed)?;
    if iss != rules.issuer {
        return Err(TokenError::Issuer);
    }
    let is_match = match &aud {
        OneOrMany::One(audience) => *audience == rules.audience,
        OneOrMany::Many(audiences) => audiences.contains(&rules.audience),
    };
    if !is_match {
        return Err(TokenError::Audience);
    }
    let (now, leeway) = (now.as_secs_f64(), rules.leeway.as_secs_f64());
    if now >= exp + leeway {
        return Err(TokenError::Expired);
    }
    if nbf.is_some_and(|from| now + leeway < from) {
        return Err(TokenError::NotYetValid);
    }
    let acl = rules.acl_claim.as_ref().and_then(|name| claims.get(name));
    let acl = match acl {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => return Err(TokenError::Malformed),
    };
    Ok(Claims { subject: sub, acl })
}

#[cfg(test)]
mod tests;
