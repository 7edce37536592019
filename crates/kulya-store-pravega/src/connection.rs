//! One connection to a segment store: many requests on their way at once, each answered by its number. A connection
//! that failed once is dead; whoever needs it makes another.

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

/// Commands that may wait for the socket.
const QUEUED: usize = 64;

/// An open connection.
pub(crate) struct Connection {
    host: String,
    patience: Duration,
    next: AtomicI64,
    waiting: Arc<Waiting>,
    out: mpsc::Sender<[Bytes; 3]>,
    tasks: [JoinHandle<Option<()>>; 2],
}

/// Who waits for which reply; `None` when the connection is dead.
struct Waiting(Mutex<Option<HashMap<i64, oneshot::Sender<Reply>>>>);

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut Option<HashMap<i64, oneshot::Sender<Reply>>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The connection died before the answer came: the request may have been done.
#[derive(Debug)]
pub(crate) struct Lost;

impl Connection {
    /// Connects and agrees on a version.
    pub(crate) async fn open(host: &str, settings: &Settings) -> Result<Arc<Self>> {
        let away = |cause: std::io::Error| unreachable(host).because(cause);
        let connecting = tokio::time::timeout(settings.patience, TcpStream::connect(host));
        let socket = connecting.await.map_err(|_| unreachable(host))?.map_err(away)?;
        socket.set_nodelay(true).map_err(away)?;
        let this = if settings.controller.tls {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
            let name = ServerName::try_from(name).map_err(|e| {
                Error::invalid(format!("segment store {host} has no name that TLS can check")).because(e)
            })?;
            let connecting = TlsConnector::from(trust(settings)?).connect(name, socket);
            let socket = tokio::time::timeout(settings.patience, connecting).await;
            Self::over(host, settings.patience, socket.map_err(|_| unreachable(host))?.map_err(away)?)
        } else {
            Self::over(host, settings.patience, socket)
        };
        let this = Arc::new(this);
        match this.call(&Command::Hello).await {
            Ok(Reply::Hello { high, low }) if high >= 5 && low <= 16 => Ok(this),
            Ok(Reply::Hello { high, low }) => Err(Error::new(
                ErrorKind::Failed,
                format!(
                    "segment store {host} speaks versions {low} to {high} of its protocol, and not 5 to 16"
                ),
            )),
            _ => Err(unreachable(host)),
        }
    }

    fn over(host: &str, patience: Duration, socket: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (from, to) = tokio::io::split(socket);
        let (out, queue) = mpsc::channel(QUEUED);
        let waiting = Arc::new(Waiting(Mutex::new(Some(HashMap::new()))));
        let tasks = [
            supervision::spawn_logged("segment store replies", receive(from, Arc::clone(&waiting))),
            supervision::spawn_logged("segment store requests", send(to, queue, Arc::clone(&waiting))),
        ];
        Self { host: host.to_owned(), patience, next: AtomicI64::new(1), waiting, out, tasks }
    }

    /// Whether it can still be used.
    pub(crate) fn is_alive(&self) -> bool {
        self.waiting.with(|waiting| waiting.is_some())
    }

    /// Gives it up: every request on its way is lost.
    pub(crate) fn give_up(&self) {
        self.waiting.with(|waiting| *waiting = None);
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a command and waits for its reply, as long as patience lasts; then the connection is given up, because
    /// nobody knows any more what was done. Cancel-safe.
    pub(crate) async fn call(&self, command: &Command<'_>) -> Result<Reply, Lost> {
        self.call_within(command, self.patience).await
    }

    /// The same with a patience of its own: a read at the tail may wait.
    pub(crate) async fn call_within(&self, command: &Command<'_>, patience: Duration) -> Result<Reply, Lost> {
        // a hello is answered by a hello, which carries no number
        let request = match command {
            Command::Hello => 0,
            _ => self.next.fetch_add(1, Ordering::Relaxed),
        };
        let (reply, answer) = oneshot::channel();
        self.waiting.with(|waiting| waiting.as_mut().map(|all| all.insert(request, reply))).ok_or(Lost)?;
        let _forget = Forget { waiting: &self.waiting, request };
        self.out.send(command.encode(request)).await.map_err(|_| Lost)?;
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(Lost),
            Err(_) => {
                self.give_up();
                Err(Lost)
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Takes a request off the list when nobody waits for it any more.
struct Forget<'a> {
    waiting: &'a Waiting,
    request: i64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.with(|waiting| waiting.as_mut().map(|all| all.remove(&self.request)));
    }
}

/// Nobody answers there.
pub(crate) fn unreachable(host: &str) -> Error {
    Error::new(
        ErrorKind::Unreachable,
        format!("pravega's segment store at {host} does not answer: see that it runs, and ask again"),
    )
}

async fn send(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<[Bytes; 3]>, waiting: Arc<Waiting>) {
    while let Some(parts) = queue.recv().await {
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            if to.write_all(&part).await.is_err() {
                return waiting.with(|waiting| *waiting = None);
            }
        }
        if to.flush().await.is_err() {
            return waiting.with(|waiting| *waiting = None);
        }
    }
}

async fn receive(from: impl AsyncRead + Unpin, waiting: Arc<Waiting>) {
    let mut from = BufReader::with_capacity(64 * 1024, from);
    while let Ok(Some((request, reply))) = next_reply(&mut from).await {
        let waits = waiting.with(|waiting| waiting.as_mut().and_then(|all| all.remove(&request)));
        if let Some(waits) = waits {
            let _ = waits.send(reply);
        }
    }
    waiting.with(|waiting| *waiting = None);
}

/// The next reply; `None` when what came is none.
async fn next_reply(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<(i64, Reply)>> {
    let mut front = [0; wire::HEAD_BYTES];
    from.read_exact(&mut front).await?;
    let Some((code, length)) = wire::head(front) else { return Ok(None) };
    let mut fields = BytesMut::zeroed(length);
    from.read_exact(&mut fields).await?;
    Ok(Reply::decode(code, &fields.freeze()))
}

/// Whom to trust: the authorities of the settings, or the system's.
fn trust(settings: &Settings) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match &settings.authorities {
        Some(file) => {
            let bad = || Error::invalid(format!("{} holds no certificates in PEM form", file.display()));
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| bad().because(e))? {
                let certificate = certificate.map_err(|e| bad().because(e))?;
                roots.add(certificate).map_err(|e| bad().because(e))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered_with(bytes: &'static [u8]) -> Result<Reply, Lost> {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let connection = Connection::over("there:1", Duration::from_secs(60), ours);
        tokio::spawn(async move {
            let mut asked = [0; 16];
            theirs.read_exact(&mut asked).await.unwrap();
            theirs.write_all(bytes).await.unwrap();
        });
        connection.call(&Command::Hello).await
    }

    #[tokio::test]
    async fn a_reply_finds_who_waits_and_nonsense_ends_the_connection() {
        let hello = b"\xff\xff\xff\x81\0\0\0\x08\0\0\0\x10\0\0\0\x05";
        assert_eq!(answered_with(hello).await.unwrap(), Reply::Hello { high: 16, low: 5 });
        for nonsense in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\xff\xff\xff\x81\0\0\0\x01x", b""] {
            assert!(answered_with(nonsense).await.is_err());
        }
    }
}
