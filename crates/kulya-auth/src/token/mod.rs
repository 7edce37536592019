//! Bearer tokens: a JWT is believed when a key of the issuer's set signed it, it is of this issuer and for this audience,
//! and now is within its time.
//!
//! The algorithm is the key's, never the token's: a key that stands for RSA is never tried as a shared secret, and `none`
//! is no algorithm. Taken are RS256/384/512, PS256/384/512, ES256, ES384 and EdDSA (Ed25519).

mod crypto;
mod keys;

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation, decode_header};
use keys::{Key, KeySet};
pub use keys::{KeySource, Refreshing};
use kulya_store::clock::Clock;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Longest token that is read, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What a token must say.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who made it: its `iss`.
    pub issuer: String,
    /// For whom it is: its `aud`, or one of them.
    pub audience: String,
    /// By how much the issuer's clock may differ from ours.
    pub leeway: Duration,
    /// The claim that has the bearer's rights, as the account file writes them.
    pub acl_claim: Option<String>,
    /// Whether a token without that claim has the rights of the account that its `sub` names.
    pub subject_is_account: bool,
}

impl Rules {
    /// The claim is `kulya_acl`, subjects are no accounts, and clocks may differ by 30 seconds.
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

/// Why a token is not believed. For the log; who shows one is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no token that can be read.
    Malformed,
    /// Signed in a way that its key is not for, or that is not taken at all.
    Algorithm,
    /// By a key that the issuer does not have, or none was named and there are several.
    UnknownKey,
    /// Somebody else signed it, or it was changed.
    Signature,
    /// Of another issuer.
    Issuer,
    /// For somebody else.
    Audience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the token cannot be read",
            Self::Algorithm => "the token is signed in a way that is not taken",
            Self::UnknownKey => "the token's key is not one of the issuer's",
            Self::Signature => "the token's signature is wrong",
            Self::Issuer => "the token is of another issuer",
            Self::Audience => "the token is for somebody else",
            Self::Expired => "the token's time is over",
            Self::NotYet => "the token's time has not come",
        })
    }
}

/// What a token that is believed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The bearer's name.
    pub subject: String,
    /// The rights it carries, as text.
    pub acl: Option<String>,
}

/// Believes tokens.
pub struct Tokens {
    rules: Rules,
    keys: Refreshing,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// Tokens by these rules, signed by these keys.
    pub fn new(rules: Rules, keys: Refreshing, clock: Arc<dyn Clock>) -> Self {
        Self { rules, keys, clock }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Asks for the key set now, so that what is wrong with its source is known before a caller comes.
    ///
    /// # Errors
    /// The source does not answer, or its answer is no key set.
    pub async fn prepare(&self) -> Result<(), Error> {
        self.keys.refresh(self.clock.since_epoch()).await
    }

    /// Reads a token. May ask the issuer for its keys; can be cancelled at any await.
    pub async fn check(&self, token: &[u8]) -> Result<Claims, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let now = self.clock.since_epoch();
        let Head { algorithm, key_id } = head(token)?;
        let is_there = |keys: &KeySet| keys.find(key_id.as_deref()).next().is_some();
        let keys = self.keys.with(now, is_there).await;
        let (mut refusal, mut found) = (Refusal::UnknownKey, None);
        for key in keys.find(key_id.as_deref()) {
            match payload(token, algorithm, key) {
                Ok(claims) => {
                    found = Some(claims);
                    break;
                }
                Err(why) => refusal = why,
            }
        }
        judge(&self.rules, now, &found.ok_or(refusal)?)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules, keys, .. } = self;
        f.debug_struct("Tokens").field("rules", rules).field("keys", keys).finish_non_exhaustive()
    }
}

struct Head {
    algorithm: Algorithm,
    key_id: Option<String>,
}

fn head(token: &[u8]) -> Result<Head, Refusal> {
    let encoded = token.split(|byte| *byte == b'.').next().unwrap_or_default();
    let decoded = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refusal::Malformed)?;
    let raw: Value = serde_json::from_slice(&decoded).map_err(|_| Refusal::Malformed)?;
    // what must be understood and is not
    if raw.get("crit").is_some() {
        return Err(Refusal::Malformed);
    }
    let named = raw.get("alg").and_then(Value::as_str).ok_or(Refusal::Malformed)?;
    let algorithm: Algorithm = named.parse().map_err(|_| Refusal::Algorithm)?;
    if !crypto::TAKEN.contains(&algorithm) {
        return Err(Refusal::Algorithm);
    }
    let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
    Ok(Head { algorithm, key_id: header.kid })
}

fn payload(token: &[u8], algorithm: Algorithm, key: &Key) -> Result<Value, Refusal> {
    use jsonwebtoken::errors::ErrorKind;
    if !key.algorithms.contains(&algorithm) {
        return Err(Refusal::Algorithm);
    }
    crypto::install();
    let mut validation = Validation::new(algorithm);
    // the library asks the system for the time; `judge` asks our clock
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    validation.required_spec_claims = HashSet::new();
    let decoded = jsonwebtoken::decode(token, &key.key, &validation);
    decoded.map(|data| data.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => Refusal::Algorithm,
        _ => Refusal::Malformed,
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

fn judge(rules: &Rules, now: Duration, claims: &Value) -> Result<Claims, Refusal> {
    let Registered { iss, sub, aud, exp, nbf } =
        Registered::deserialize(claims).map_err(|_| Refusal::Malformed)?;
    if iss != rules.issuer {
        return Err(Refusal::Issuer);
    }
    let is_ours = match &aud {
        OneOrMany::One(audience) => *audience == rules.audience,
        OneOrMany::Many(audiences) => audiences.contains(&rules.audience),
    };
    if !is_ours {
        return Err(Refusal::Audience);
    }
    let (now, leeway) = (now.as_secs_f64(), rules.leeway.as_secs_f64());
    if now >= exp + leeway {
        return Err(Refusal::Expired);
    }
    if nbf.is_some_and(|from| now + leeway < from) {
        return Err(Refusal::NotYet);
    }
    let acl = rules.acl_claim.as_ref().and_then(|name| claims.get(name));
    let acl = match acl {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => return Err(Refusal::Malformed),
    };
    Ok(Claims { subject: sub, acl })
}

#[cfg(test)]
mod tests;
