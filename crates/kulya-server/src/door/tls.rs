//! TLS with a certificate and a key in PEM, read again when they change: [`Tls`].

use kulya_auth::{Document, Error, Secret};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server's certificate and key, as they are now.
pub struct Tls {
    certificate: Box<dyn Document>,
    key: Box<dyn Document>,
    now: Mutex<Now>,
}

struct Now {
    certificate: String,
    key: Secret,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// The chain (the server's own certificate first) and its key. Both are looked at for each connection: a renewal needs no
    /// restart, and one that does not fit is said while the last that did goes on.
    ///
    /// # Errors
    /// One of them cannot be read, or they do not belong together.
    pub fn new(certificate: impl Document, key: impl Document) -> Result<Self, Error> {
        let read = |document: &dyn Document| {
            let wrong = |e| Error::new(format!("cannot read {}", document.name())).because(e);
            document.changed().map(Option::unwrap_or_default).map_err(wrong)
        };
        let (chain, secret) = (read(&certificate)?, Secret::new(read(&key)?));
        let config = config(&chain, &secret).map_err(|e| e.of(&certificate, &key))?;
        let now = Mutex::new(Now { certificate: chain, key: secret, config });
        Ok(Self { certificate: Box::new(certificate), key: Box::new(key), now })
    }

    /// What to accept the next connection with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = |document: &dyn Document| {
            document.changed().unwrap_or_else(|error| {
                tracing::debug!("{}: {error}; going on with the last one", document.name());
                None
            })
        };
        let (certificate, key) = (changed(&*self.certificate), changed(&*self.key));
        if certificate.is_some() || key.is_some() {
            now.certificate = certificate.unwrap_or_else(|| std::mem::take(&mut now.certificate));
            if let Some(key) = key {
                now.key = Secret::new(key);
            }
            match config(&now.certificate, &now.key) {
                Ok(config) => {
                    tracing::info!("certificate {} was read again", self.certificate.name());
                    now.config = config;
                }
                // of two files one comes first: the other's change tries again
                Err(error) => {
                    let error = error.of(&*self.certificate, &*self.key);
                    tracing::error!("{error}; going on with the last ones");
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&now.config))
    }
}

enum Wrong {
    Certificate(Option<Box<dyn std::error::Error + Send + Sync>>),
    Key,
    Pair(tokio_rustls::rustls::Error),
}

impl Wrong {
    fn of(self, certificate: &dyn Document, key: &dyn Document) -> Error {
        match self {
            Self::Certificate(cause) => {
                let error = Error::new(format!("{} has no certificate in PEM", certificate.name()));
                match cause {
                    Some(cause) => error.because(cause),
                    None => error,
                }
            }
            // the parser's words might show some of it
            Self::Key => Error::new(format!("{} has no private key in PEM, without a password", key.name())),
            Self::Pair(cause) => {
                let what = format!("{} and {} do not belong together", certificate.name(), key.name());
                Error::new(what).because(cause)
            }
        }
    }
}

fn config(certificate: &str, key: &Secret) -> Result<Arc<ServerConfig>, Wrong> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| Wrong::Certificate(Some(Box::new(e))))?;
    if chain.is_empty() {
        return Err(Wrong::Certificate(None));
    }
    let key = PrivateKeyDer::from_pem_slice(key.reveal()).map_err(|_| Wrong::Key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(Wrong::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate.name())
            .field("key", &self.key.name())
            .finish_non_exhaustive()
    }
}
