//! Whose certificates are believed: one authority that is given, or the machine's.

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

/// A probe takes no longer.
const PROBE_TIME: Duration = Duration::from_secs(2);
/// As much of an answer is read.
const MAX_PROBE_BYTES: u64 = 1024;

/// What a client checks a server with; the error is what is wrong with the authority.
pub(crate) fn config(ca_pem: Option<&str>) -> Result<ClientConfig, &'static str> {
    const WRONG: &str = "what is given as the authority's certificate is none in PEM";
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(certificate.map_err(|_| WRONG)?).map_err(|_| WRONG)?;
            }
            if roots.is_empty() {
                return Err(WRONG);
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(with(roots))
}

/// For a client that speaks no TLS. It is given one all the same: without, the library below looks for a crypto library
/// that the process has chosen, and ends it when there is none.
pub(crate) fn nobody() -> ClientConfig {
    with(RootCertStore::empty())
}

/// What is wrong between a client and what answers, where asking again will not help: a certificate that is not believed, or
/// one end that speaks TLS where the other does not. `None` for everything else, as a cut connection.
pub(crate) fn mismatch(error: &(dyn Error + 'static), address: &str) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        let wrapped = inner.and_then(|error| error.downcast_ref::<TlsError>());
        if let Some(tls) = wrapped.or_else(|| error.downcast_ref::<TlsError>()) {
            return tls_mismatch(tls, address);
        }
        // the beginning of an answer in TLS, or in HTTP/1.1, taken for the length of an HTTP/2 frame
        let text = error.to_string();
        if address.starts_with("http://") && text.contains("FRAME_SIZE_ERROR") {
            return Some(no_plain(address));
        }
        // an io error hides what is in it from those who ask for its source
        cause = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// Asks once more by the other protocol, where a connection failed and nobody knows why: a server that is spoken to in the wrong
/// one may close the connection before its answer is read.
pub(crate) async fn other_protocol(address: &str) -> Option<String> {
    let asked = async {
        let (scheme, host) = address.split_once("://")?;
        let mut stream = TcpStream::connect(host).await.ok()?;
        if scheme == "https" {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: kulya\r\nConnection: close\r\n\r\n").await.ok()?;
            let mut answer = Vec::new();
            // what is cut behind its beginning has told enough
            let _ = stream.take(MAX_PROBE_BYTES).read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer);
            // a server of ours says so to whoever speaks HTTP to TLS
            let is_plain = answer.starts_with("HTTP/") && !answer.contains("TLS");
            return is_plain.then(|| no_tls(address));
        }
        let name = ServerName::try_from("kulya").ok()?;
        let refused = TlsConnector::from(Arc::new(nobody())).connect(name, stream).await.err()?;
        let tls = refused.get_ref()?.downcast_ref::<TlsError>()?;
        let is_tls = matches!(tls, TlsError::InvalidCertificate(_) | TlsError::AlertReceived(_));
        is_tls.then(|| no_plain(address))
    };
    tokio::time::timeout(PROBE_TIME, asked).await.ok().flatten()
}

fn no_tls(address: &str) -> String {
    format!("what answers at {address} speaks no TLS: write http:// if that is meant")
}

fn no_plain(address: &str) -> String {
    format!(
        "what answers at {address} speaks no plain HTTP/2: if it speaks TLS write https://, and name its authority by --ca"
    )
}

fn tls_mismatch(error: &TlsError, address: &str) -> Option<String> {
    Some(match error {
        TlsError::InvalidMessage(_) => no_tls(address),
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!(
                "the certificate of {address} is not signed by the given authority (--ca): if the server signed it by itself, give that certificate"
            )
        }
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!("the certificate of {address} has expired: renew it, or mend the clock of this machine")
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            format!("the certificate of {address} is for another name: use a name that is in it")
        }
        TlsError::InvalidCertificate(why) => {
            format!("the certificate of {address} is not believed: {why:?}")
        }
        _ => return None,
    })
}

fn with(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
