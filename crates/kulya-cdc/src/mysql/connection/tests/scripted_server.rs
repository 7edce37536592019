//! A server whose messages a test writes, and the client's end of its connection.

use crate::mysql::connection::channel::Transport;
use crate::mysql::connection::handshake::tests::plain_greeting;
use crate::mysql::connection::packet::MAX_PAYLOAD;
use crate::mysql::connection::{Connection, ConnectionError, ConnectionSettings};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

pub(crate) const OK: &[u8] = b"\0\0\0\x02\0\0\0";
pub(crate) const END: &[u8] = b"\xfe\0\0\x02\0";
pub(crate) const PASSWORD: &str = "geheim";

pub(crate) struct ScriptedServer {
    stream: Box<dyn Transport>,
    sequence: u8,
    /// Everything that the client has sent.
    pub(crate) received: Vec<u8>,
}

/// Returns both ends of a connection.
pub(crate) fn connected() -> (DuplexStream, ScriptedServer) {
    let (client, stream) = tokio::io::duplex(64 * 1024);
    (client, ScriptedServer { stream: Box::new(stream), sequence: 0, received: Vec::new() })
}

pub(crate) fn settings(parameters: &str) -> ConnectionSettings {
    ConnectionSettings::parse(&format!("mysql://me:{PASSWORD}@db/?{parameters}")).unwrap()
}

pub(crate) async fn log_in(
    client: DuplexStream,
    settings: &ConnectionSettings,
) -> Result<Connection, ConnectionError> {
    Connection::log_in(Box::new(client), settings).await
}

/// Returns a connection after a login.
pub(crate) async fn logged_in() -> (Connection, ScriptedServer) {
    let (client, mut server) = connected();
    let settings = settings("");
    let (connection, ()) = tokio::join!(log_in(client, &settings), async {
        server.send(&plain_greeting("mysql_native_password")).await;
        server.receive().await;
        server.send(OK).await;
        server.send_account().await;
    });
    (connection.unwrap(), server)
}

/// Encodes a row of short texts.
pub(crate) fn row(values: &[&str]) -> Vec<u8> {
    values.iter().flat_map(|value| [&[value.len() as u8], value.as_bytes()].concat()).collect()
}

/// Encodes a column's definition.
pub(crate) fn column(name: &str) -> Vec<u8> {
    [&row(&["def", "", "", "", name, ""])[..], &[0; 13]].concat()
}

pub(crate) fn error(code: u16, message: &str) -> Vec<u8> {
    [&[0xff][..], &code.to_le_bytes(), b"#HY000", message.as_bytes()].concat()
}

impl ScriptedServer {
    /// Sends a message as the next one of the exchange.
    pub(crate) async fn send(&mut self, message: &[u8]) {
        let mut rest = message;
        loop {
            let (payload, further) = rest.split_at(rest.len().min(MAX_PAYLOAD));
            let length = (payload.len() as u32).to_le_bytes();
            self.send_bytes(&[length[0], length[1], length[2], self.sequence]).await;
            self.send_bytes(payload).await;
            self.sequence = self.sequence.wrapping_add(1);
            rest = further;
            if payload.len() < MAX_PAYLOAD {
                return;
            }
        }
    }

    /// Sends bytes as they are. The client may have gone.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Opens TLS, with a certificate for the host `db` that no authority has signed.
    pub(crate) async fn accept_tls(&mut self) {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["db".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        self.stream = Box::new(TlsAcceptor::from(Arc::new(config)).accept(plain).await.unwrap());
    }

    /// Receives a message of one packet; empty when the client has gone.
    pub(crate) async fn receive(&mut self) -> Vec<u8> {
        let mut header = [0; 4];
        if self.stream.read_exact(&mut header).await.is_err() {
            return Vec::new();
        }
        let [a, b, c, sequence] = header;
        let mut payload = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
        self.stream.read_exact(&mut payload).await.unwrap();
        self.sequence = sequence.wrapping_add(1);
        self.received.extend_from_slice(&payload);
        payload
    }

    /// Receives a statement and sends a result.
    pub(crate) async fn answer(&mut self, columns: &[&str], rows: &[&[&str]]) -> String {
        let command = self.receive().await;
        self.send(&[columns.len() as u8]).await;
        for name in columns {
            self.send(&column(name)).await;
        }
        self.send(END).await;
        for values in rows {
            self.send(&row(values)).await;
        }
        self.send(END).await;
        String::from_utf8_lossy(&command[1..]).into_owned()
    }

    /// Sends the account, which the client asks for after a login.
    pub(crate) async fn send_account(&mut self) {
        assert_eq!(self.answer(&["CURRENT_USER()"], &[&["me@%"]]).await, "SELECT CURRENT_USER()");
    }
}
