//! TLS to the server, by libpq's modes (PostgreSQL documentation, "Protection Provided in Different Modes").

use crate::postgres::settings::{TlsMode, TlsSettings};
use crate::{CdcError, CdcResult};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// Checks a server's certificate as far as the mode says.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// Checks the chain and the name; `None` when nothing is checked.
    chain: Option<Arc<WebPkiServerVerifier>>,
    is_name_checked: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.is_name_checked => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Returns a connector for these settings.
///
/// # Errors
/// `Configuration` for certificates that cannot be read.
pub(super) fn connector(settings: &TlsSettings) -> CdcResult<TlsConnector> {
    let provider = Arc::new(default_provider());
    let chain = match settings.mode {
        TlsMode::VerifyCa | TlsMode::VerifyFull => Some(chain_verifier(settings, &provider)?),
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => None,
    };
    let is_name_checked = settings.mode == TlsMode::VerifyFull;
    let verifier = Verifier { provider: Arc::clone(&provider), chain, is_name_checked };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| CdcError::configuration("TLS is not available").because(e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn chain_verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> CdcResult<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    match &settings.root_certificates {
        Some(file) => {
            let invalid =
                || CdcError::configuration(format!("sslrootcert {} has no certificates", file.display()));
            let pem = std::fs::read(file).map_err(|e| {
                CdcError::configuration(format!("cannot read sslrootcert {}", file.display())).because(e)
            })?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.map_err(|_| invalid())?).map_err(|_| invalid())?;
            }
            if roots.is_empty() {
                return Err(invalid());
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().map_err(|e| {
        CdcError::configuration("no trusted certificate authority: name a file in sslrootcert").because(e)
    })
}
