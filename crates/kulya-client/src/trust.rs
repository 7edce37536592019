//! Whose certificates are believed: one authority that is given, or the machine's.

use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

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

fn with(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
