//! TLS with a certificate and a private key in PEM, which are reloaded when they change: [`Tls`].

use crate::{Error, Secret, TextSource};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server's certificate and private key.
pub struct Tls {
    certificate: Box<dyn TextSource>,
    key: Box<dyn TextSource>,
    alpn_protocols: Vec<Vec<u8>>,
    current: Mutex<Current>,
}

struct Current {
    certificate: String,
    key: Secret,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Loads the certificate chain (the server's own certificate first) and its private key. Both are checked
    /// for changes on each connection, so that a renewal needs no restart; while a renewal is invalid, the
    /// last valid pair stays in use and the error is logged.
    ///
    /// # Errors
    /// A source cannot be read, or certificate and key do not match.
    pub fn new(certificate: impl TextSource, key: impl TextSource) -> Result<Self, Error> {
        let read = |source: &dyn TextSource| {
            let failed = |e| Error::new(format!("cannot read {}", source.name())).because(e);
            source.read_if_changed().map(Option::unwrap_or_default).map_err(failed)
        };
        let (chain, secret) = (read(&certificate)?, Secret::new(read(&key)?));
        let config = config(&chain, &secret, &[]).map_err(|e| e.into_error(&certificate, &key))?;
        let current = Mutex::new(Current { certificate: chain, key: secret, config });
        let (certificate, key) = (Box::new(certificate), Box::new(key));
        Ok(Self { certificate, key, alpn_protocols: Vec::new(), current })
    }

    /// Offers these protocols in the handshake (ALPN), the preferred one first.
    #[must_use]
    pub fn with_alpn_protocols(mut self, protocols: &[&[u8]]) -> Self {
        self.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let current = self.current.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut config = (*current.config).clone();
        config.alpn_protocols.clone_from(&self.alpn_protocols);
        current.config = Arc::new(config);
        self
    }

    /// Returns an acceptor for the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = |source: &dyn TextSource| {
            source.read_if_changed().unwrap_or_else(|error| {
                tracing::debug!("cannot read {}, keeping the last TLS certificate: {error}", source.name());
                None
            })
        };
        let (certificate, key) = (changed(&*self.certificate), changed(&*self.key));
        if certificate.is_some() || key.is_some() {
            current.certificate = certificate.unwrap_or_else(|| std::mem::take(&mut current.certificate));
            if let Some(key) = key {
                current.key = Secret::new(key);
            }
            match config(&current.certificate, &current.key, &self.alpn_protocols) {
                Ok(config) => {
                    tracing::info!("TLS certificate {} reloaded", self.certificate.name());
                    current.config = config;
                }
                // while two files are replaced one is new and the other old: the next change tries again
                Err(error) => {
                    let error = error.into_error(&*self.certificate, &*self.key);
                    tracing::error!("keeping the last TLS certificate: {error}");
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&current.config))
    }
}

enum ConfigError {
    Certificate(Option<Box<dyn std::error::Error + Send + Sync>>),
    Key,
    Mismatch(tokio_rustls::rustls::Error),
}

impl ConfigError {
    fn into_error(self, certificate: &dyn TextSource, key: &dyn TextSource) -> Error {
        match self {
            Self::Certificate(cause) => {
                let error = Error::new(format!("{} has no certificate in PEM", certificate.name()));
                match cause {
                    Some(cause) => error.because(cause),
                    None => error,
                }
            }
            // the parser's message might quote some of the key
            Self::Key => Error::new(format!("{} has no unencrypted private key in PEM", key.name())),
            Self::Mismatch(cause) => {
                let what = format!("{} and {} do not match", certificate.name(), key.name());
                Error::new(what).because(cause)
            }
        }
    }
}

fn config(
    certificate: &str,
    key: &Secret,
    alpn_protocols: &[Vec<u8>],
) -> Result<Arc<ServerConfig>, ConfigError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| ConfigError::Certificate(Some(Box::new(e))))?;
    if chain.is_empty() {
        return Err(ConfigError::Certificate(None));
    }
    let key = PrivateKeyDer::from_pem_slice(key.reveal()).map_err(|_| ConfigError::Key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(ConfigError::Mismatch)?;
    config.alpn_protocols = alpn_protocols.to_vec();
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
