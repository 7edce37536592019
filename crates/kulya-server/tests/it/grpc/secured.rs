//! TLS in front of the server, a token with every call, and reflection for other clients.

use super::{Server, event, make, settings, texts};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use kulya_client::{RemoteSettings, RemoteStore};
use kulya_store::memory::MemoryStore;
use kulya_store::{ErrorKind, StreamStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Starts a TLS proxy in front of a server; returns its address and its CA certificate.
async fn with_tls(server: SocketAddr) -> (SocketAddr, String) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, cert.pem())
}

#[tokio::test]
async fn tls_with_a_given_authority() {
    let store = MemoryStore::new();
    make(&store).await;
    let server = Server::of(Arc::new(store.clone())).await;
    let (address, pem) = with_tls(server.address).await;
    let mut settings = RemoteSettings::new(format!("https://localhost:{}", address.port()));
    settings.ca_pem = Some(pem);
    let remote = RemoteStore::connect(settings.clone()).await.unwrap();
    remote.commit(event("k", "sealed")).await.unwrap();
    assert_eq!(texts(&store).await, ["sealed"]);
    // another CA
    let (_, other) = with_tls(server.address).await;
    (settings.ca_pem, settings.patience) = (Some(other), Duration::ZERO);
    assert_eq!(RemoteStore::connect(settings).await.err().unwrap().kind(), ErrorKind::InvalidInput);
}

async fn check_token(request: Request, next: Next) -> Response {
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if token == Some("Bearer open sesame") {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

#[tokio::test]
async fn every_call_carries_the_token() {
    let store = MemoryStore::new();
    make(&store).await;
    let (_ending, ends) = watch::channel(false);
    let router: Router = kulya_server::grpc::router(Arc::new(store.clone()), ends);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router.layer(middleware::from_fn(check_token))).into_future());
    let error = RemoteStore::connect(settings(address)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("token"), "{error}");
    let mut known = settings(address);
    known.token = Some("open sesame".to_owned());
    let remote = RemoteStore::connect(known).await.unwrap();
    remote.begin().await.unwrap().commit(vec![]).await.unwrap();
    remote.commit(event("k", "in")).await.unwrap();
    let segment = kulya_store::hash::segment_of("k", 2);
    remote.wait_beyond(&super::orders().segment(segment), 0).await.unwrap();
    assert_eq!(texts(&remote).await, ["in"]);
}

/// Lists a server's services with one version of reflection.
macro_rules! services {
    ($address:expr, $version:ident) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", $address)).unwrap();
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(endpoint.connect_lazy());
        let request = futures::stream::iter([request]);
        let mut replies = client.server_reflection_info(request).await.unwrap().into_inner();
        let reply = replies.message().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(services)) = reply.message_response else {
            panic!("{reply:?}")
        };
        services.service.into_iter().map(|service| service.name).collect::<Vec<String>>()
    }};
}

/// Lists the services that a server's reflection reports.
pub(super) async fn services(address: SocketAddr) -> Vec<String> {
    services!(address, v1)
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let server = Server::of(Arc::new(MemoryStore::new())).await;
    let now = services!(server.address, v1);
    assert!(now.iter().any(|service| service == "kulya.store.v1.StreamStore"), "{now:?}");
    let before = services!(server.address, v1alpha);
    let ours = |names: &[String]| {
        names.iter().filter(|name| name.starts_with("kulya.")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(ours(&before), ours(&now));
}
