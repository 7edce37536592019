//! TLS, and connections without it.

use super::*;
use kulya_client::RemoteStore;
use kulya_registry_api::RegistryErrorKind;
use kulya_store::{ErrorKind, conformance};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn with_tls(certificate: &StubSource, key: &StubSource, limits: Limits) -> TestServer {
    let tls = Tls::new(certificate.clone(), key.clone()).unwrap();
    TestServer::start(
        AccessControl::permissive(clock())
            .with_authenticator(authenticator())
            .with_tls(tls)
            .with_limits(limits),
    )
    .await
}

fn registry(server: &TestServer, host: &str, ca: &str) -> HttpRegistry {
    let mut settings = RegistrySettings::new(format!("https://{host}:{}", server.address.port()));
    (settings.ca_pem, settings.login) = (Some(ca.to_owned()), login("admin"));
    HttpRegistry::with(settings).unwrap()
}

#[tokio::test]
async fn the_registry_conforms_over_tls_with_a_password() {
    let (certificate, key) = certificate();
    let server = with_tls(&StubSource::of(&*certificate), &StubSource::of(key), Limits::default()).await;
    crate::contract::all(&registry(&server, "localhost", &certificate)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_conforms_over_tls_with_a_password() {
    let (certificate, key) = certificate();
    let report = conformance::all(|| async {
        let server =
            with_tls(&StubSource::of(&*certificate), &StubSource::of(&*key), Limits::default()).await;
        let mut settings = server.remote("admin");
        settings.url = format!("https://localhost:{}", server.address.port());
        settings.ca_pem = Some(certificate.clone());
        Arc::new(RemoteStore::connect(settings).await.unwrap())
    })
    .await;
    assert_eq!(report.left_out, [], "nothing is left out");
}

#[tokio::test]
async fn the_server_certificate_is_verified() {
    let (certificate, key) = certificate();
    let server = with_tls(&StubSource::of(&*certificate), &StubSource::of(key), Limits::default()).await;
    assert!(registry(&server, "127.0.0.1", &certificate).ping().await.is_ok());
    let (other, _) = super::certificate();
    for (host, ca, kind) in [
        ("localhost", &other, RegistryErrorKind::InvalidInput),
        ("127.0.0.2", &certificate, RegistryErrorKind::Unavailable),
    ] {
        let error = registry(&server, host, ca).ping().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{host}");
    }
    // without a configured CA a client trusts the system's
    let mut settings = RegistrySettings::new(format!("https://localhost:{}", server.address.port()));
    settings.login = login("admin");
    assert!(HttpRegistry::with(settings).unwrap().ping().await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_needs_no_restart() {
    let ((first, first_key), (second, second_key)) = (certificate(), certificate());
    let (certificate, key) = (StubSource::of(&*first), StubSource::of(first_key));
    let server = with_tls(&certificate, &key, Limits::default()).await;
    assert!(registry(&server, "localhost", &first).ping().await.is_ok());
    // the certificate is replaced before its key: meanwhile the last pair stays in use
    certificate.write(&*second);
    assert!(registry(&server, "localhost", &first).ping().await.is_ok());
    key.write(second_key);
    assert!(registry(&server, "localhost", &second).ping().await.is_ok());
    assert!(registry(&server, "localhost", &first).ping().await.is_err());
    certificate.write("no certificate");
    assert!(registry(&server, "localhost", &second).ping().await.is_ok());
}

#[test]
fn invalid_certificates_are_reported() {
    let ((certificate, key), (_, other)) = (certificate(), certificate());
    let error = |certificate: &str, key: &str| {
        Tls::new(StubSource::of(certificate), StubSource::of(key)).unwrap_err().to_string()
    };
    assert!(error(&certificate, &other).contains("do not match"));
    assert!(error("x", &key).contains("no certificate"));
    assert!(error(&certificate, "secret words").contains("no unencrypted private key"));
    let output = format!("{:?}", Tls::new(StubSource::of(certificate), StubSource::of(&*key)).unwrap());
    assert!(!output.contains("BEGIN") && !key.lines().any(|line| output.contains(line)), "{output}");
}

#[tokio::test]
async fn a_plain_client_is_told_to_use_tls() {
    let (certificate, key) = certificate();
    let server = with_tls(&StubSource::of(&*certificate), &StubSource::of(key), Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response).await;
    assert!(response.starts_with("HTTP/1.1 400 ") && response.contains("https"), "{response}");
    // TLS on a plain port
    let plain = TestServer::with_accounts().await;
    assert_eq!(
        registry(&plain, "localhost", &certificate).ping().await.unwrap_err().kind(),
        RegistryErrorKind::Unavailable
    );
    let mut settings = plain.remote("admin");
    settings.url = format!("https://localhost:{}", plain.address.port());
    (settings.ca_pem, settings.patience) = (Some(certificate), Duration::ZERO);
    assert_eq!(RemoteStore::connect(settings).await.err().unwrap().kind(), ErrorKind::InvalidInput);
}

/// Stalled handshakes block no others, even when they use all handshake slots.
#[tokio::test]
async fn stalled_handshakes_do_not_block_others() {
    let (certificate, key) = certificate();
    let limits = Limits { handshakes: 4, handshake_time: Duration::from_secs(3600), ..Limits::default() };
    let server = with_tls(&StubSource::of(&*certificate), &StubSource::of(key), limits).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[0x16]).await.unwrap();
        stalled.push(stream);
    }
    for _ in 0..3 {
        assert!(registry(&server, "localhost", &certificate).ping().await.is_ok());
    }
    // the oldest were aborted for the next
    let mut rest = Vec::new();
    assert!(stalled[0].read_to_end(&mut rest).await.is_err() || rest.is_empty(), "it was cut");
}

#[tokio::test]
async fn a_handshake_times_out() {
    let (certificate, key) = certificate();
    let limits = Limits { handshake_time: Duration::from_millis(100), ..Limits::default() };
    let server = with_tls(&StubSource::of(&*certificate), &StubSource::of(key), limits).await;
    for sent in [&[][..], &[0x16]] {
        let mut stalled = TcpStream::connect(server.address).await.unwrap();
        stalled.write_all(sent).await.unwrap();
        let mut rest = Vec::new();
        assert!(stalled.read_to_end(&mut rest).await.is_err() || rest.is_empty(), "it was cut");
    }
}
