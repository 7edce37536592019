//! TLS of the clients: trusted certificate authorities, and messages for certificate and protocol mismatches.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};

/// The timeout of a protocol probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of bytes read from a probe's response.
const MAX_PROBE_BYTES: u64 = 1024;

/// Returns a TLS configuration that trusts the given certificate authority (PEM), or the operating system's.
///
/// # Errors
/// A message, when the authority's certificate is invalid.
pub(crate) fn client_config(ca_pem: Option<&str>) -> Result<ClientConfig, &'static str> {
    const INVALID: &str = "the certificate of the authority is not PEM";
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(certificate.map_err(|_| INVALID)?).map_err(|_| INVALID)?;
            }
            if roots.is_empty() {
                return Err(INVALID);
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(with_roots(roots))
}

/// Returns a TLS configuration that trusts no authority, for a client that does not use TLS: without a
/// configuration, reqwest looks for the process's default crypto provider and panics when there is none.
pub(crate) fn without_authorities() -> ClientConfig {
    with_roots(RootCertStore::empty())
}

/// Describes a connection error that is permanent: an untrusted certificate, or TLS at one end only. `None`
/// for every other error, such as a connection loss.
pub(crate) fn protocol_mismatch(error: &(dyn Error + 'static), address: &str) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        let wrapped = inner.and_then(|error| error.downcast_ref::<TlsError>());
        if let Some(tls) = wrapped.or_else(|| error.downcast_ref::<TlsError>()) {
            return tls_mismatch(tls, address);
        }
        // the first bytes of a TLS or HTTP/1.1 response, parsed as the length of an HTTP/2 frame
        let text = error.to_string();
        if address.starts_with("http://") && text.contains("FRAME_SIZE_ERROR") {
            return Some(server_with_tls(address));
        }
        // the source of an io error is not its inner error, but that one's source
        cause = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// Checks, after a connection failed for an unknown reason, whether the server uses TLS and the client does
/// not, or the reverse. A server may close a connection of the wrong protocol before its response is read.
pub(crate) async fn probe_protocol(address: &str) -> Option<String> {
    let probe = async {
        let (scheme, host) = address.split_once("://")?;
        let mut stream = TcpStream::connect(host).await.ok()?;
        if scheme == "https" {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: kulya\r\nConnection: close\r\n\r\n").await.ok()?;
            let mut response = Vec::new();
            // an error after the first bytes does not matter
            let _ = stream.take(MAX_PROBE_BYTES).read_to_end(&mut response).await;
            let response = String::from_utf8_lossy(&response);
            // a Kulya server with TLS responds to plain HTTP with a text that mentions TLS
            let is_plain = response.starts_with("HTTP/") && !response.contains("TLS");
            return is_plain.then(|| server_without_tls(address));
        }
        let name = ServerName::try_from("kulya").ok()?;
        let error = TlsConnector::from(Arc::new(without_authorities())).connect(name, stream).await.err()?;
        let tls = error.get_ref()?.downcast_ref::<TlsError>()?;
        let is_tls = matches!(tls, TlsError::InvalidCertificate(_) | TlsError::AlertReceived(_));
        is_tls.then(|| server_with_tls(address))
    };
    tokio::time::timeout(PROBE_TIMEOUT, probe).await.ok().flatten()
}

fn server_without_tls(address: &str) -> String {
    format!("the server at {address} does not use TLS: write http:// if that is intended")
}

fn server_with_tls(address: &str) -> String {
    format!(
        "the server at {address} does not speak plain HTTP/2: if it uses TLS, write https:// and give its authority by --ca"
    )
}

fn tls_mismatch(error: &TlsError, address: &str) -> Option<String> {
    Some(match error {
        TlsError::InvalidMessage(_) => server_without_tls(address),
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!(
                "the certificate of {address} is not signed by the given authority (--ca): if the server signed it by itself, give that certificate"
            )
        }
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!(
                "the certificate of {address} has expired: renew it, or correct the clock of this machine"
            )
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            format!(
                "the certificate of {address} is not valid for this host name: use a name that it contains"
            )
        }
        TlsError::InvalidCertificate(reason) => {
            format!("the certificate of {address} is not trusted: {reason:?}")
        }
        _ => return None,
    })
}

fn with_roots(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
