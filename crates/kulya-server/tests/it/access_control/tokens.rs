//! Authentication by bearer tokens.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kulya_auth::token::{CachedKeySet, TokenRules, TokenVerifier};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

pub(super) struct Issuer(Ed25519KeyPair);

impl Issuer {
    pub(super) fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    fn keys(&self, id: &str) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x}]}).to_string()
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes())))
    }

    pub(super) fn token(&self, acl: &str) -> String {
        self.signed(&json!({"alg": "EdDSA", "kid": "1"}), &claims(acl))
    }

    pub(super) fn authenticator(&self) -> Authenticator {
        let keys = CachedKeySet::from_text_source(StubSource::of(self.keys("1")));
        let mut rules = TokenRules::new("https://issuer", "kulya");
        rules.subject_is_account = true;
        authenticator().with_tokens(TokenVerifier::new(rules, keys, clock()))
    }
}

fn claims(acl: &str) -> Value {
    json!({"iss": "https://issuer", "aud": "kulya", "sub": "robot", "exp": crate::NOW_MS / 1000 + 60, "kulya_acl": acl})
}

#[tokio::test]
async fn a_token_grants_its_acl_only() {
    let issuer = Issuer::new();
    let server =
        TestServer::start(AccessControl::permissive(clock()).with_authenticator(issuer.authenticator()))
            .await;
    let status = async |token: &str, path: &str| {
        let url = format!("http://{}{path}", server.address);
        server.client.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    let head = json!({"alg": "EdDSA", "kid": "1"});
    let with = |name: &str, value: Value| {
        let mut claims = claims("*,READ");
        claims[name] = value;
        issuer.signed(&head, &claims)
    };
    let mut as_account = claims("");
    as_account.as_object_mut().unwrap().remove("kulya_acl");
    as_account["sub"] = json!("reader");
    let as_account = issuer.signed(&head, &as_account);
    let now = crate::NOW_MS / 1000;
    for (why, token, path, expected) in [
        ("good", issuer.token("*,READ"), "/v1/groups/g?namespace=ns", 404),
        ("of less", issuer.token("prn::/namespace:ns/group:h,READ"), "/v1/groups/g?namespace=ns", 403),
        ("of nothing", issuer.token(""), "/v1/groups/g", 403),
        ("of nothing, but known", issuer.token(""), "/ping", 200),
        ("an account's", as_account.clone(), "/v1/groups/g?namespace=ns", 404),
        ("an account's, elsewhere", as_account, "/v1/groups/g", 403),
        ("rights that cannot be read", issuer.token("nonsense"), "/ping", 401),
        ("over", with("exp", json!(now - 31)), "/ping", 401),
        ("over within the leeway", with("exp", json!(now - 29)), "/ping", 200),
        ("not yet", with("nbf", json!(now + 31)), "/ping", 401),
        ("another audience", with("aud", json!("other")), "/ping", 401),
        ("one of several audiences", with("aud", json!(["other", "kulya"])), "/ping", 200),
        ("another issuer", with("iss", json!("https://other")), "/ping", 401),
        (
            "an unknown key",
            issuer.signed(&json!({"alg": "EdDSA", "kid": "2"}), &claims("*,READ")),
            "/ping",
            401,
        ),
        ("another issuer's", Issuer::new().token("*,READ"), "/ping", 401),
        (
            "another algorithm",
            issuer.signed(&json!({"alg": "RS256", "kid": "1"}), &claims("*,READ")),
            "/ping",
            401,
        ),
        (
            "a shared secret",
            issuer.signed(&json!({"alg": "HS256", "kid": "1"}), &claims("*,READ")),
            "/ping",
            401,
        ),
        ("no algorithm", issuer.signed(&json!({"alg": "none", "kid": "1"}), &claims("*,READ")), "/ping", 401),
        ("no token", "x".to_owned(), "/ping", 401),
    ] {
        assert_eq!(status(&token, path).await, expected, "{why}");
    }
}

#[tokio::test]
async fn the_registry_conforms_over_tls_with_a_token() {
    let issuer = Issuer::new();
    let (certificate, key) = certificate();
    let tls = Tls::new(StubSource::of(&*certificate), StubSource::of(key)).unwrap();
    let server = TestServer::start(
        AccessControl::permissive(clock()).with_authenticator(issuer.authenticator()).with_tls(tls),
    )
    .await;
    let mut settings = RegistrySettings::new(format!("tls://localhost:{}", server.address.port()));
    settings.ca_pem = Some(certificate);
    settings.login = Login::Token(issuer.token("prn::*,READ_UPDATE"));
    crate::contract::all(&HttpRegistry::with(settings).unwrap()).await;
}
