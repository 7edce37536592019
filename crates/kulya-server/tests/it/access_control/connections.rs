//! TLS, and what becomes of connections that want something else.

use super::*;
use kulya_client::RemoteStore;
use kulya_codec::RegistryErrorKind;
use kulya_store::{ErrorKind, conformance};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn with_tls(certificate: &Page, key: &Page, limits: Limits) -> Guarded {
    let tls = Tls::new(certificate.clone(), key.clone()).unwrap();
    Guarded::behind(
        AccessControl::permissive(clock()).with_authenticator(guard()).with_tls(tls).with_limits(limits),
    )
    .await
}

fn registry(served: &Guarded, host: &str, ca: &str) -> HttpRegistry {
    let mut settings = RegistrySettings::new(format!("https://{host}:{}", served.address.port()));
    (settings.ca_pem, settings.login) = (Some(ca.to_owned()), login("admin"));
    HttpRegistry::with(settings).unwrap()
}

#[tokio::test]
async fn the_whole_contract_over_tls_with_a_password() {
    let (certificate, key) = certificate();
    let served = with_tls(&Page::of(&*certificate), &Page::of(key), Limits::default()).await;
    crate::contract::all(&registry(&served, "localhost", &certificate)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_contract_over_tls_with_a_password() {
    let (certificate, key) = certificate();
    let report = conformance::all(|| async {
        let served = with_tls(&Page::of(&*certificate), &Page::of(&*key), Limits::default()).await;
        let mut settings = served.remote("admin");
        settings.url = format!("https://localhost:{}", served.address.port());
        settings.ca_pem = Some(certificate.clone());
        Arc::new(RemoteStore::connect(settings).await.unwrap())
    })
    .await;
    assert_eq!(report.left_out, [], "nothing is left out");
}

#[tokio::test]
async fn the_server_is_checked() {
    let (certificate, key) = certificate();
    let served = with_tls(&Page::of(&*certificate), &Page::of(key), Limits::default()).await;
    assert!(registry(&served, "127.0.0.1", &certificate).ping().await.is_ok());
    let (other, _) = super::certificate();
    for (host, ca, kind) in [
        ("localhost", &other, RegistryErrorKind::InvalidInput),
        ("127.0.0.2", &certificate, RegistryErrorKind::Unavailable),
    ] {
        let refused = registry(&served, host, ca).ping().await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{host}");
    }
    // without an authority of its own a client believes the machine's
    let mut settings = RegistrySettings::new(format!("https://localhost:{}", served.address.port()));
    settings.login = login("admin");
    assert!(HttpRegistry::with(settings).unwrap().ping().await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_needs_no_restart() {
    let ((first, first_key), (second, second_key)) = (certificate(), certificate());
    let (certificate, key) = (Page::of(&*first), Page::of(first_key));
    let served = with_tls(&certificate, &key, Limits::default()).await;
    assert!(registry(&served, "localhost", &first).ping().await.is_ok());
    // the certificate comes before its key: until that is there, the last pair goes on
    certificate.write(&*second);
    assert!(registry(&served, "localhost", &first).ping().await.is_ok());
    key.write(second_key);
    assert!(registry(&served, "localhost", &second).ping().await.is_ok());
    assert!(registry(&served, "localhost", &first).ping().await.is_err());
    certificate.write("no certificate");
    assert!(registry(&served, "localhost", &second).ping().await.is_ok());
}

#[test]
fn what_cannot_be_used_is_named() {
    let ((certificate, key), (_, other)) = (certificate(), certificate());
    let refused = |certificate: &str, key: &str| {
        Tls::new(Page::of(certificate), Page::of(key)).unwrap_err().to_string()
    };
    assert!(refused(&certificate, &other).contains("do not belong together"));
    assert!(refused("x", &key).contains("no certificate"));
    assert!(refused(&certificate, "secret words").contains("no private key"));
    let shown = format!("{:?}", Tls::new(Page::of(certificate), Page::of(&*key)).unwrap());
    assert!(!shown.contains("BEGIN") && !key.lines().any(|line| shown.contains(line)), "{shown}");
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told() {
    let (certificate, key) = certificate();
    let served = with_tls(&Page::of(&*certificate), &Page::of(key), Limits::default()).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https"), "{answer}");
    // and the other way round
    let plain = Guarded::with_accounts().await;
    assert_eq!(
        registry(&plain, "localhost", &certificate).ping().await.unwrap_err().kind(),
        RegistryErrorKind::Unavailable
    );
    let mut settings = plain.remote("admin");
    settings.url = format!("https://localhost:{}", plain.address.port());
    (settings.ca_pem, settings.patience) = (Some(certificate), Duration::ZERO);
    assert_eq!(RemoteStore::connect(settings).await.err().unwrap().kind(), ErrorKind::InvalidInput);
}

/// Nobody waits for those who do not go on: neither behind all the handshakes that may be, nor until their time is over.
#[tokio::test]
async fn handshakes_that_stall_keep_nobody_out() {
    let (certificate, key) = certificate();
    let limits = Limits { handshakes: 4, handshake_time: Duration::from_secs(3600), ..Limits::default() };
    let served = with_tls(&Page::of(&*certificate), &Page::of(key), limits).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(&[0x16]).await.unwrap();
        stalled.push(stream);
    }
    for _ in 0..3 {
        assert!(registry(&served, "localhost", &certificate).ping().await.is_ok());
    }
    // the oldest were given up for the next
    let mut rest = Vec::new();
    assert!(stalled[0].read_to_end(&mut rest).await.is_err() || rest.is_empty(), "it was cut");
}

#[tokio::test]
async fn a_handshake_has_its_time() {
    let (certificate, key) = certificate();
    let limits = Limits { handshake_time: Duration::from_millis(100), ..Limits::default() };
    let served = with_tls(&Page::of(&*certificate), &Page::of(key), limits).await;
    for sent in [&[][..], &[0x16]] {
        let mut stalled = TcpStream::connect(served.address).await.unwrap();
        stalled.write_all(sent).await.unwrap();
        let mut rest = Vec::new();
        assert!(stalled.read_to_end(&mut rest).await.is_err() || rest.is_empty(), "it was cut");
    }
}
