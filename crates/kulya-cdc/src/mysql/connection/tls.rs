//! TLS to the server: which certificates each mode accepts, and messages for what fails.
//!
//! Without verification an attacker can take the server's place whatever the certificate is, so these modes
//! check nothing of it; they work with the certificates of version 1 too that MariaDB's documentation tells
//! how to make, and that rustls does not read.

use super::channel::Transport;
use super::error::{ConnectionError, Endpoint};
use super::settings::{ConnectionSettings, SslMode};
use crate::tls::{AnyName, authorities};
use std::io;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring::default_provider};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
};

/// Opens TLS over a transport.
///
/// # Errors
/// `Tls` for an invalid authority file, an untrusted certificate, or a failed handshake.
pub(super) async fn connect(
    transport: Box<dyn Transport>,
    settings: &ConnectionSettings,
    endpoint: &Endpoint,
) -> Result<Box<dyn Transport>, ConnectionError> {
    let failed =
        |what: String, source| ConnectionError::Tls { server: endpoint.server.clone(), what, source };
    let config = client_config(settings).await.map_err(|what| failed(what, None))?;
    let name = ServerName::try_from(settings.host.clone())
        .map_err(|e| failed(format!("{:?} is no host name", settings.host), Some(e.into())))?;
    match TlsConnector::from(Arc::new(config)).connect(name, transport).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
            match tls.map(advice) {
                Some(what) => Err(failed(what, Some(error.into()))),
                None if error.kind() == io::ErrorKind::UnexpectedEof => Err(failed(
                    "the server ended the handshake: it may have no TLS 1.2; set ssl-mode=disabled if the network is trusted"
                        .to_owned(),
                    Some(error.into()),
                )),
                None => Err(endpoint.lost(Some(error))),
            }
        }
    }
}

async fn client_config(settings: &ConnectionSettings) -> Result<ClientConfig, String> {
    let provider = Arc::new(default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match settings.ssl_mode {
        SslMode::Disabled | SslMode::Preferred | SslMode::Required => Arc::new(AnyCertificate(provider)),
        mode @ (SslMode::VerifyCa | SslMode::VerifyIdentity) => {
            let roots = authorities("ssl-ca", settings.ssl_ca.as_deref()).await?;
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier = verifier.map_err(|_| {
                "this machine has no trusted certificate authorities: set ssl-ca to a file".to_owned()
            })?;
            if mode == SslMode::VerifyCa { Arc::new(AnyName(verifier)) } else { verifier }
        }
    };
    Ok(ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn advice(error: &TlsError) -> String {
    let TlsError::InvalidCertificate(reason) = error else {
        return "no common version or cipher: the server needs TLS 1.2 or newer; set ssl-mode=disabled if the network is trusted".to_owned();
    };
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is not signed by a trusted authority: set ssl-ca to the authority's file".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired: renew it, or correct the clock of this machine".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is not valid for this host name: use a name of its subjectAltName, or ssl-mode=verify-ca".to_owned()
        }
        CertificateError::Other(_) | CertificateError::BadEncoding => {
            "the server's certificate cannot be verified: it must be of X.509 version 3; ssl-mode=required does not verify it".to_owned()
        }
        reason => format!("the server's certificate is not trusted ({reason:?})"),
    }
}

/// Accepts any certificate.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
