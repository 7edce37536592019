//! A connection to a segment store: concurrent requests, matched to replies by number. A connection that
//! failed once is closed; callers open another.

use crate::settings::Settings;
use crate::wire::{self, Command, Reply};
use bytes::{Bytes, BytesMut};
use kulya_store::{Error, ErrorKind, Result, supervision};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The capacity of the queue of outgoing commands.
const QUEUE_CAPACITY: usize = 64;

/// An open connection.
pub(crate) struct Connection {
    host: String,
    timeout: Duration,
    next: AtomicI64,
    pending: Arc<PendingReplies>,
    out: mpsc::Sender<[Bytes; 3]>,
    tasks: [JoinHandle<Option<()>>; 2],
}

/// The callers waiting for replies, by request number; `None` when the connection is closed.
struct PendingReplies(Mutex<Option<HashMap<i64, oneshot::Sender<Reply>>>>);

impl PendingReplies {
    fn with<T>(&self, act: impl FnOnce(&mut Option<HashMap<i64, oneshot::Sender<Reply>>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The connection was closed before the reply arrived: the request may have been executed.
#[derive(Debug)]
pub(crate) struct ConnectionLost;

impl Connection {
    /// Connects and negotiates the protocol version.
    ///
    /// # Errors
    /// `Unreachable` when the host does not answer; `InvalidInput` when its name is not valid for TLS;
    /// `Failed` when no version is compatible.
    pub(crate) async fn open(host: &str, settings: &Settings) -> Result<Arc<Self>> {
        let failed = |cause: std::io::Error| unreachable(host).because(cause);
        let connecting = tokio::time::timeout(settings.timeout, TcpStream::connect(host));
        let socket = connecting.await.map_err(|_| unreachable(host))?.map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let connection = if settings.controller.tls {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
            let name = ServerName::try_from(name).map_err(|e| {
                Error::invalid(format!("segment store {host} has no valid TLS server name")).because(e)
            })?;
            let connecting = TlsConnector::from(tls_config(settings)?).connect(name, socket);
            let socket = tokio::time::timeout(settings.timeout, connecting).await;
            Self::start(host, settings.timeout, socket.map_err(|_| unreachable(host))?.map_err(failed)?)
        } else {
            Self::start(host, settings.timeout, socket)
        };
        let connection = Arc::new(connection);
        match connection.call(&Command::Hello).await {
            Ok(Reply::Hello { high, low }) if high >= 5 && low <= 16 => Ok(connection),
            Ok(Reply::Hello { high, low }) => Err(Error::new(
                ErrorKind::Failed,
                format!("segment store {host} speaks protocol versions {low} to {high}, expected 5 to 16"),
            )),
            _ => Err(unreachable(host)),
        }
    }

    fn start(host: &str, timeout: Duration, socket: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (from, to) = tokio::io::split(socket);
        let (out, queue) = mpsc::channel(QUEUE_CAPACITY);
        let pending = Arc::new(PendingReplies(Mutex::new(Some(HashMap::new()))));
        let tasks = [
            supervision::spawn_logged("segment store replies", receive(from, Arc::clone(&pending))),
            supervision::spawn_logged("segment store requests", send(to, queue, Arc::clone(&pending))),
        ];
        Self { host: host.to_owned(), timeout, next: AtomicI64::new(1), pending, out, tasks }
    }

    /// Returns whether the connection is open.
    pub(crate) fn is_open(&self) -> bool {
        self.pending.with(|pending| pending.is_some())
    }

    /// Closes the connection: all pending requests fail.
    pub(crate) fn close(&self) {
        self.pending.with(|pending| *pending = None);
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a command and waits for its reply up to the timeout; then the connection is closed, because the
    /// outcome is unknown. Cancel-safe.
    pub(crate) async fn call(&self, command: &Command<'_>) -> Result<Reply, ConnectionLost> {
        self.call_with_timeout(command, self.timeout).await
    }

    /// As [`Connection::call`] with another timeout: a read at the tail may wait.
    pub(crate) async fn call_with_timeout(
        &self,
        command: &Command<'_>,
        timeout: Duration,
    ) -> Result<Reply, ConnectionLost> {
        // the reply to a hello carries no request number
        let request = match command {
            Command::Hello => 0,
            _ => self.next.fetch_add(1, Ordering::Relaxed),
        };
        let (reply, response) = oneshot::channel();
        self.pending
            .with(|pending| pending.as_mut().map(|all| all.insert(request, reply)))
            .ok_or(ConnectionLost)?;
        let _guard = PendingGuard { pending: &self.pending, request };
        self.out.send(command.encode(request)).await.map_err(|_| ConnectionLost)?;
        match tokio::time::timeout(timeout, response).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(ConnectionLost),
            Err(_) => {
                self.close();
                Err(ConnectionLost)
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Removes a request when its caller no longer waits.
struct PendingGuard<'a> {
    pending: &'a PendingReplies,
    request: i64,
}

impl Drop for PendingGuard<'_> {
    fn drop(&mut self) {
        self.pending.with(|pending| pending.as_mut().map(|all| all.remove(&self.request)));
    }
}

/// Returns the error for a host that does not answer.
pub(crate) fn unreachable(host: &str) -> Error {
    Error::new(
        ErrorKind::Unreachable,
        format!("pravega's segment store at {host} does not answer: see that it runs, and retry"),
    )
}

async fn send(
    mut to: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<[Bytes; 3]>,
    pending: Arc<PendingReplies>,
) {
    while let Some(parts) = queue.recv().await {
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            if to.write_all(&part).await.is_err() {
                return pending.with(|pending| *pending = None);
            }
        }
        if to.flush().await.is_err() {
            return pending.with(|pending| *pending = None);
        }
    }
}

async fn receive(from: impl AsyncRead + Unpin, pending: Arc<PendingReplies>) {
    let mut from = BufReader::with_capacity(64 * 1024, from);
    while let Ok(Some((request, reply))) = next_reply(&mut from).await {
        let caller = pending.with(|pending| pending.as_mut().and_then(|all| all.remove(&request)));
        if let Some(caller) = caller {
            let _ = caller.send(reply);
        }
    }
    pending.with(|pending| *pending = None);
}

/// Reads the next reply; `None` when it is not valid.
async fn next_reply(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<(i64, Reply)>> {
    let mut head_bytes = [0; wire::HEAD_BYTES];
    from.read_exact(&mut head_bytes).await?;
    let Some((code, length)) = wire::decode_head(head_bytes) else { return Ok(None) };
    let mut fields = BytesMut::zeroed(length);
    from.read_exact(&mut fields).await?;
    Ok(Reply::decode(code, &fields.freeze()))
}

/// Builds the TLS configuration: trusts the certificate authorities of the settings, or the system's.
fn tls_config(settings: &Settings) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_file {
        Some(file) => {
            let invalid =
                || Error::invalid(format!("{} contains no certificates in PEM format", file.display()));
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| invalid().because(e))? {
                let certificate = certificate.map_err(|e| invalid().because(e))?;
                roots.add(certificate).map_err(|e| invalid().because(e))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn call_answered_by(bytes: &'static [u8]) -> Result<Reply, ConnectionLost> {
        let (client, mut server) = tokio::io::duplex(1024);
        let connection = Connection::start("there:1", Duration::from_secs(60), client);
        tokio::spawn(async move {
            let mut command = [0; 16];
            server.read_exact(&mut command).await.unwrap();
            server.write_all(bytes).await.unwrap();
        });
        connection.call(&Command::Hello).await
    }

    #[tokio::test]
    async fn a_reply_reaches_its_caller_and_invalid_data_closes_the_connection() {
        let hello = b"\xff\xff\xff\x81\0\0\0\x08\0\0\0\x10\0\0\0\x05";
        assert_eq!(call_answered_by(hello).await.unwrap(), Reply::Hello { high: 16, low: 5 });
        for nonsense in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\xff\xff\xff\x81\0\0\0\x01x", b""] {
            assert!(call_answered_by(nonsense).await.is_err());
        }
    }
}
