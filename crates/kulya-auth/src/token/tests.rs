use super::*;
use async_trait::async_trait;
use futures::FutureExt;
use futures::executor::block_on;
use kulya_store::clock::ManualClock;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const NOW: u64 = 1_795_474_607;

/// Generated for these tests by `openssl genpkey`.
const RSA: &[u8] = include_bytes!("../../tests/data/rsa2048.pk8");

enum Signer {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::from_pkcs8(RSA).unwrap())
    }

    fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    fn ed() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        let mut jwk = match self {
            Self::Rsa(pair) => {
                let public: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Self::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Self::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        };
        jwk["kid"] = json!(id);
        jwk
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let algorithm = header["alg"].as_str().unwrap_or_default();
        format!("{message}.{}", encode(self.sign(algorithm, message.as_bytes())))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn claims() -> Value {
    json!({"iss": "issuer", "aud": "kulya", "sub": "anna", "exp": NOW + 60, "kulya_acl": "*,READ"})
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// A source that returns a given key set and counts its fetches.
#[derive(Default)]
struct StubKeySource {
    set: Mutex<Option<String>>,
    fetches: AtomicUsize,
    blocked_on: Mutex<Option<futures::channel::oneshot::Receiver<()>>>,
}

impl StubKeySource {
    fn set_keys(&self, keys: &[Value]) {
        *self.set.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }
}

#[async_trait]
impl KeySource for Arc<StubKeySource> {
    async fn key_set(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let blocked_on = self.blocked_on.lock().unwrap().take();
        if let Some(blocked_on) = blocked_on {
            let _ = blocked_on.await;
        }
        self.set.lock().unwrap().clone().ok_or_else(|| "unavailable".into())
    }

    fn name(&self) -> String {
        "stub".to_owned()
    }
}

fn tokens(stub: &Arc<StubKeySource>) -> (TokenVerifier, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Duration::from_secs(NOW)));
    let keys = CachedKeySet::new(Arc::clone(stub));
    (
        TokenVerifier::new(TokenRules::new("issuer", "kulya"), keys, Arc::clone(&clock) as Arc<dyn Clock>),
        clock,
    )
}

fn with_keys(keys: &[Value]) -> TokenVerifier {
    let stub = Arc::new(StubKeySource::default());
    stub.set_keys(keys);
    tokens(&stub).0
}

fn check(tokens: &TokenVerifier, token: &str) -> Result<Claims, TokenError> {
    block_on(tokens.verify(token.as_bytes()))
}

#[test]
fn tokens_of_every_accepted_algorithm_are_valid() {
    let (rsa, ed) = (Signer::rsa(), Signer::ed());
    let (p256, p384) =
        (Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING), Signer::ec(&ECDSA_P384_SHA384_FIXED_SIGNING));
    let tokens = with_keys(&[rsa.jwk("rsa"), p256.jwk("p256"), p384.jwk("p384"), ed.jwk("ed")]);
    for (signer, id, algorithm) in [
        (&rsa, "rsa", "RS256"),
        (&rsa, "rsa", "RS384"),
        (&rsa, "rsa", "RS512"),
        (&rsa, "rsa", "PS256"),
        (&rsa, "rsa", "PS384"),
        (&rsa, "rsa", "PS512"),
        (&p256, "p256", "ES256"),
        (&p384, "p384", "ES384"),
        (&ed, "ed", "EdDSA"),
    ] {
        let token = signer.token(&json!({"alg": algorithm, "kid": id, "typ": "JWT"}), &claims());
        let expected = Claims { subject: "anna".to_owned(), acl: Some("*,READ".to_owned()) };
        assert_eq!(check(&tokens, &token), Ok(expected), "{algorithm}");
        // one character of the claims is changed
        let changed = token.replacen(".eyJ", ".eyK", 1);
        assert_ne!(token, changed);
        assert!(check(&tokens, &changed).is_err(), "{algorithm}");
    }
}

#[test]
fn invalid_tokens_are_rejected() {
    let (signer, other, rsa) = (Signer::ed(), Signer::ed(), Signer::rsa());
    let mut only_rs512 = rsa.jwk("rs512");
    only_rs512["alg"] = json!("RS512");
    let mut for_encryption = rsa.jwk("enc");
    for_encryption["use"] = json!("enc");
    let secret = json!({"kty": "oct", "kid": "oct", "k": encode("shared"), "alg": "HS256"});
    let tokens = with_keys(&[signer.jwk("k"), rsa.jwk("rsa"), only_rs512, for_encryption, secret]);
    let head = json!({"alg": "EdDSA", "kid": "k"});
    let signed = |claims: Value| signer.token(&head, &claims);
    let with_head = |header: Value| signer.token(&header, &claims());
    let hmac = |id: &str, key: &[u8]| {
        let message = format!(
            "{}.{}",
            encode(json!({"alg": "HS256", "kid": id}).to_string()),
            encode(claims().to_string())
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        format!("{message}.{}", encode(ring::hmac::sign(&key, message.as_bytes())))
    };
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none","kid":"k"}"#), encode(claims().to_string()));
    let public = rsa.jwk("rsa")["n"].as_str().unwrap().to_owned();
    let later = changed("nbf", json!(NOW + 31));
    let mut no_exp = claims();
    no_exp.as_object_mut().unwrap().remove("exp");
    for (why, token, expected) in [
        ("empty", String::new(), TokenError::Malformed),
        ("two parts", "a.b".to_owned(), TokenError::Malformed),
        ("no base64", "!.!.!".to_owned(), TokenError::Malformed),
        ("four parts", format!("{}.x", signed(claims())), TokenError::Malformed),
        ("alg none", unsigned, TokenError::Algorithm),
        (
            "the public key as a secret",
            hmac("rsa", &URL_SAFE_NO_PAD.decode(public).unwrap()),
            TokenError::Algorithm,
        ),
        ("a published secret", hmac("oct", b"shared"), TokenError::Algorithm),
        ("a secret's key id", with_head(json!({"alg": "EdDSA", "kid": "oct"})), TokenError::UnknownKey),
        (
            "RSA's algorithm for an Ed25519 key",
            with_head(json!({"alg": "RS256", "kid": "k"})),
            TokenError::Algorithm,
        ),
        (
            "a key for another algorithm",
            rsa.token(&json!({"alg": "RS256", "kid": "rs512"}), &claims()),
            TokenError::Algorithm,
        ),
        (
            "a key for encryption",
            rsa.token(&json!({"alg": "RS256", "kid": "enc"}), &claims()),
            TokenError::UnknownKey,
        ),
        ("an unknown key", with_head(json!({"alg": "EdDSA", "kid": "l"})), TokenError::UnknownKey),
        ("no key id among several", with_head(json!({"alg": "EdDSA"})), TokenError::UnknownKey),
        ("another signer", other.token(&head, &claims()), TokenError::Signature),
        (
            "a critical extension",
            with_head(json!({"alg": "EdDSA", "kid": "k", "crit": ["x"]})),
            TokenError::Malformed,
        ),
        ("another issuer", signed(changed("iss", json!("other"))), TokenError::Issuer),
        ("another audience", signed(changed("aud", json!("other"))), TokenError::Audience),
        ("no audience", signed(changed("aud", json!([]))), TokenError::Audience),
        ("expired", signed(changed("exp", json!(NOW - 30))), TokenError::Expired),
        ("no expiry", signed(no_exp), TokenError::Malformed),
        ("not valid yet", signed(later), TokenError::NotYetValid),
        ("an ACL that is not text", signed(changed("kulya_acl", json!(7))), TokenError::Malformed),
        ("too long", signed(changed("x", json!("x".repeat(20_000)))), TokenError::Malformed),
    ] {
        assert_eq!(check(&tokens, &token), Err(expected), "{why}");
    }
    for good in [
        changed("aud", json!(["x", "kulya"])),
        changed("exp", json!(NOW - 29)),
        changed("nbf", json!(NOW + 30)),
        changed("exp", json!(NOW as f64 + 0.5)),
    ] {
        assert!(check(&tokens, &signed(good)).is_ok());
    }
    let alone = with_keys(&[signer.jwk("k")]);
    assert!(check(&alone, &with_head(json!({"alg": "EdDSA"}))).is_ok(), "a single key needs no id");
}

#[test]
fn unknown_keys_are_fetched_at_a_limited_rate() {
    let (one, two) = (Signer::ed(), Signer::ed());
    let token = |signer: &Signer, id: &str| {
        signer.token(&json!({"alg": "EdDSA", "kid": id}), &changed("exp", json!(NOW + 9999)))
    };
    let (first, second) = (token(&one, "1"), token(&two, "2"));
    let stub = Arc::new(StubKeySource::default());
    let (tokens, clock) = tokens(&stub);
    let fetches = || stub.fetches.load(Ordering::Relaxed);
    assert_eq!(
        (check(&tokens, &first), fetches()),
        (Err(TokenError::UnknownKey), 1),
        "the issuer is unavailable"
    );
    stub.set_keys(&[one.jwk("1")]);
    assert_eq!(
        (check(&tokens, &first), fetches()),
        (Err(TokenError::UnknownKey), 1),
        "too early to fetch again"
    );
    clock.advance(Duration::from_secs(30));
    assert!(check(&tokens, &first).is_ok() && check(&tokens, &first).is_ok());
    assert_eq!((check(&tokens, &second), fetches()), (Err(TokenError::UnknownKey), 2));
    clock.advance(Duration::from_secs(30));
    stub.set_keys(&[one.jwk("1"), two.jwk("2")]);
    assert!(check(&tokens, &second).is_ok());
    assert_eq!(fetches(), 3);
    // while the issuer is unavailable the cached keys stay
    *stub.set.lock().unwrap() = None;
    clock.advance(Duration::from_secs(700));
    assert!(check(&tokens, &first).is_ok() && check(&tokens, &second).is_ok());
    assert_eq!(fetches(), 4);
    // it returns without a key, which is then revoked
    stub.set_keys(&[two.jwk("2")]);
    clock.advance(Duration::from_secs(30));
    assert!(check(&tokens, &second).is_ok());
    assert_eq!((check(&tokens, &first), fetches()), (Err(TokenError::UnknownKey), 5));
    // an unusable set does not replace a usable one
    *stub.set.lock().unwrap() = Some("{}".to_owned());
    clock.advance(Duration::from_secs(700));
    assert!(check(&tokens, &second).is_ok());
    assert!(block_on(tokens.prefetch_keys()).is_err());
}

#[test]
fn concurrent_callers_fetch_a_key_once() {
    let signer = Signer::ed();
    let stub = Arc::new(StubKeySource::default());
    stub.set_keys(&[signer.jwk("1")]);
    let (release, released) = futures::channel::oneshot::channel();
    *stub.blocked_on.lock().unwrap() = Some(released);
    let (tokens, _) = tokens(&stub);
    let token = signer.token(&json!({"alg": "EdDSA", "kid": "1"}), &claims());
    let mut checks: Vec<_> = (0..5).map(|_| Box::pin(tokens.verify(token.as_bytes()))).collect();
    assert!(checks.iter_mut().all(|check| check.as_mut().now_or_never().is_none()));
    release.send(()).unwrap();
    for check in checks {
        assert!(block_on(check).is_ok());
    }
    assert_eq!(stub.fetches.load(Ordering::Relaxed), 1);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_parsed_or_rejected(bytes: Vec<u8>, text in "[a-zA-Z0-9._-]{0,80}") {
        let tokens = with_keys(&[]);
        proptest::prop_assert!(block_on(tokens.verify(&bytes)).is_err() && check(&tokens, &text).is_err());
        let _ = KeySet::parse(&String::from_utf8_lossy(&bytes));
    }
}
