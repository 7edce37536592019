//! The byte stream to the server: TCP, with TLS when the settings and the server have it.

use super::detachable::DetachableStream;
use super::tls;
use crate::postgres::settings::{Target, TlsMode};
use crate::{CdcError, CdcErrorKind, CdcResult};
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::either::Either;

/// A stream with or without TLS.
pub(super) type Transport = Either<DetachableStream, TlsStream<DetachableStream>>;

/// Detaches a stream from the runtime's event loop, until an access finds that it has to wait.
pub(super) fn detach(stream: &mut Transport) {
    match stream {
        Either::Left(stream) => stream.detach(),
        Either::Right(stream) => stream.get_mut().0.detach(),
    }
}

/// Connects to the first of the hosts that responds.
///
/// # Errors
/// `Unreachable` when no host responds within the settings' time; `Configuration` when the server has no TLS
/// and the settings require it.
pub(super) async fn open(target: &Target) -> CdcResult<Transport> {
    let mut error = None;
    for (host, port) in &target.hosts {
        let attempt = tokio::time::timeout(target.connect_timeout, open_host(target, host, *port));
        match attempt.await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => error = Some(e),
            Err(_) => error = Some(unreachable(host, *port, "it does not respond")),
        }
    }
    Err(error.unwrap_or_else(|| CdcError::configuration("the database URL names no host")))
}

async fn open_host(target: &Target, host: &str, port: u16) -> CdcResult<Transport> {
    let refused =
        |e: std::io::Error| unreachable(host, port, "is it running, and is the URL right?").because(e);
    let mut stream = TcpStream::connect((host, port)).await.map_err(refused)?;
    stream.set_nodelay(true).map_err(refused)?;
    let mode = target.tls.mode;
    if mode == TlsMode::Disable {
        return Ok(Either::Left(stream.into()));
    }
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(refused)?;
    let response = stream.read_u8().await.map_err(refused)?;
    if response != b'S' {
        return match mode {
            TlsMode::Prefer => Ok(Either::Left(stream.into())),
            _ => Err(CdcError::configuration(format!(
                "PostgreSQL at {host}:{port} has no TLS: set ssl = on there, or write sslmode=disable in the URL"
            ))),
        };
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|e| CdcError::configuration(format!("{host:?} is no host name")).because(e))?;
    let stream = tls::connector(&target.tls).await?.connect(name, stream.into()).await.map_err(|e| {
        let what = format!(
            "the TLS handshake with PostgreSQL at {host}:{port} failed: check sslmode and sslrootcert"
        );
        // an invalid certificate stays invalid, a lost connection does not
        let kind = match e.get_ref() {
            Some(inner) if inner.is::<tokio_rustls::rustls::Error>() => CdcErrorKind::Configuration,
            _ => CdcErrorKind::Unreachable,
        };
        CdcError::new(kind, what).because(e)
    })?;
    Ok(Either::Right(stream))
}

fn unreachable(host: &str, port: u16, hint: &str) -> CdcError {
    CdcError::new(CdcErrorKind::Unreachable, format!("cannot connect to PostgreSQL at {host}:{port}: {hint}"))
}
