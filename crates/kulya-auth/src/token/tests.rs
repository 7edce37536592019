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

/// Made for these tests by `openssl genpkey`; nobody else's.
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

/// A source that says what it is told to, and counts.
#[derive(Default)]
struct Told {
    set: Mutex<Option<String>>,
    asked: AtomicUsize,
    waits: Mutex<Option<futures::channel::oneshot::Receiver<()>>>,
}

impl Told {
    fn says(&self, keys: &[Value]) {
        *self.set.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }
}

#[async_trait]
impl KeySource for Arc<Told> {
    async fn key_set(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let waits = self.waits.lock().unwrap().take();
        if let Some(waits) = waits {
            let _ = waits.await;
        }
        self.set.lock().unwrap().clone().ok_or_else(|| "away".into())
    }

    fn name(&self) -> String {
        "told".to_owned()
    }
}

fn tokens(told: &Arc<Told>) -> (Tokens, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Duration::from_secs(NOW)));
    let keys = Refreshing::new(Arc::clone(told));
    (Tokens::new(Rules::new("issuer", "kulya"), keys, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

fn with_keys(keys: &[Value]) -> Tokens {
    let told = Arc::new(Told::default());
    told.says(keys);
    tokens(&told).0
}

fn check(tokens: &Tokens, token: &str) -> Result<Claims, Refusal> {
    block_on(tokens.check(token.as_bytes()))
}

#[test]
fn every_algorithm_that_is_taken() {
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
        // one sign of the claims is another
        let changed = token.replacen(".eyJ", ".eyK", 1);
        assert_ne!(token, changed);
        assert!(check(&tokens, &changed).is_err(), "{algorithm}");
    }
}

#[test]
fn what_is_not_believed() {
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
        ("nothing", String::new(), Refusal::Malformed),
        ("two parts", "a.b".to_owned(), Refusal::Malformed),
        ("no base64", "!.!.!".to_owned(), Refusal::Malformed),
        ("four parts", format!("{}.x", signed(claims())), Refusal::Malformed),
        ("alg none", unsigned, Refusal::Algorithm),
        (
            "the public key as a secret",
            hmac("rsa", &URL_SAFE_NO_PAD.decode(public).unwrap()),
            Refusal::Algorithm,
        ),
        ("a published secret", hmac("oct", b"shared"), Refusal::Algorithm),
        ("a secret's key id", with_head(json!({"alg": "EdDSA", "kid": "oct"})), Refusal::UnknownKey),
        (
            "RSA's algorithm for an Ed25519 key",
            with_head(json!({"alg": "RS256", "kid": "k"})),
            Refusal::Algorithm,
        ),
        (
            "a key for another algorithm",
            rsa.token(&json!({"alg": "RS256", "kid": "rs512"}), &claims()),
            Refusal::Algorithm,
        ),
        (
            "a key for encryption",
            rsa.token(&json!({"alg": "RS256", "kid": "enc"}), &claims()),
            Refusal::UnknownKey,
        ),
        ("an unknown key", with_head(json!({"alg": "EdDSA", "kid": "l"})), Refusal::UnknownKey),
        ("no key id among several", with_head(json!({"alg": "EdDSA"})), Refusal::UnknownKey),
        ("somebody else's", other.token(&head, &claims()), Refusal::Signature),
        (
            "what must be understood",
            with_head(json!({"alg": "EdDSA", "kid": "k", "crit": ["x"]})),
            Refusal::Malformed,
        ),
        ("another issuer", signed(changed("iss", json!("other"))), Refusal::Issuer),
        ("another audience", signed(changed("aud", json!("other"))), Refusal::Audience),
        ("no audience", signed(changed("aud", json!([]))), Refusal::Audience),
        ("over", signed(changed("exp", json!(NOW - 30))), Refusal::Expired),
        ("without an end", signed(no_exp), Refusal::Malformed),
        ("not yet", signed(later), Refusal::NotYet),
        ("rights that are no text", signed(changed("kulya_acl", json!(7))), Refusal::Malformed),
        ("too long", signed(changed("x", json!("x".repeat(20_000)))), Refusal::Malformed),
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
    assert!(check(&alone, &with_head(json!({"alg": "EdDSA"}))).is_ok(), "the only key needs no name");
}

#[test]
fn keys_are_asked_for_when_one_is_unknown_and_not_too_often() {
    let (one, two) = (Signer::ed(), Signer::ed());
    let token = |signer: &Signer, id: &str| {
        signer.token(&json!({"alg": "EdDSA", "kid": id}), &changed("exp", json!(NOW + 9999)))
    };
    let (first, second) = (token(&one, "1"), token(&two, "2"));
    let told = Arc::new(Told::default());
    let (tokens, clock) = tokens(&told);
    let asked = || told.asked.load(Ordering::Relaxed);
    assert_eq!((check(&tokens, &first), asked()), (Err(Refusal::UnknownKey), 1), "the issuer is away");
    told.says(&[one.jwk("1")]);
    assert_eq!((check(&tokens, &first), asked()), (Err(Refusal::UnknownKey), 1), "too early to ask again");
    clock.advance(Duration::from_secs(30));
    assert!(check(&tokens, &first).is_ok() && check(&tokens, &first).is_ok());
    assert_eq!((check(&tokens, &second), asked()), (Err(Refusal::UnknownKey), 2));
    clock.advance(Duration::from_secs(30));
    told.says(&[one.jwk("1"), two.jwk("2")]);
    assert!(check(&tokens, &second).is_ok());
    assert_eq!(asked(), 3);
    // the issuer goes away: what is known stays, however old
    *told.set.lock().unwrap() = None;
    clock.advance(Duration::from_secs(700));
    assert!(check(&tokens, &first).is_ok() && check(&tokens, &second).is_ok());
    assert_eq!(asked(), 4);
    // and comes back without a key, which is then gone
    told.says(&[two.jwk("2")]);
    clock.advance(Duration::from_secs(30));
    assert!(check(&tokens, &second).is_ok());
    assert_eq!((check(&tokens, &first), asked()), (Err(Refusal::UnknownKey), 5));
    // a set that cannot be used does not replace one that can
    *told.set.lock().unwrap() = Some("{}".to_owned());
    clock.advance(Duration::from_secs(700));
    assert!(check(&tokens, &second).is_ok());
    assert!(block_on(tokens.prepare()).is_err());
}

#[test]
fn many_who_want_one_key_ask_once() {
    let signer = Signer::ed();
    let told = Arc::new(Told::default());
    told.says(&[signer.jwk("1")]);
    let (go, gone) = futures::channel::oneshot::channel();
    *told.waits.lock().unwrap() = Some(gone);
    let (tokens, _) = tokens(&told);
    let token = signer.token(&json!({"alg": "EdDSA", "kid": "1"}), &claims());
    let mut checks: Vec<_> = (0..5).map(|_| Box::pin(tokens.check(token.as_bytes()))).collect();
    assert!(checks.iter_mut().all(|check| check.as_mut().now_or_never().is_none()));
    go.send(()).unwrap();
    for check in checks {
        assert!(block_on(check).is_ok());
    }
    assert_eq!(told.asked.load(Ordering::Relaxed), 1);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in "[a-zA-Z0-9._-]{0,80}") {
        let tokens = with_keys(&[]);
        proptest::prop_assert!(block_on(tokens.check(&bytes)).is_err() && check(&tokens, &text).is_err());
        let _ = KeySet::parse(&String::from_utf8_lossy(&bytes));
    }
}
