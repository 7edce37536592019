//! The channel to a server: whole messages and pieces of messages over any transport, with a timeout for each
//! read. The bytes that have arrived stay in the channel, so its reads are cancel-safe; its writes are not.

use super::error::{ConnectionError, Endpoint};
use super::packet::{Collector, Framer, MAX_PAYLOAD, MAX_PIECE, Piece};
use super::server_error::{self, ERROR_MARKER, Phase};
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// A connection's bytes: TCP, TLS over TCP, and memory in tests.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// Memory for bytes that have arrived, which holds a piece and its header at least.
const BUFFER_BYTES: usize = 2 * MAX_PIECE;
/// Free memory of the buffer below which it is enlarged or replaced before a read.
const MIN_READ_BYTES: usize = MAX_PIECE / 4;

/// The bound of messages, and what an operator does when it is exceeded.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageLimit {
    pub(super) bytes: usize,
    pub(super) what: &'static str,
    pub(super) advice: &'static str,
}

/// A response to a command, except rows and events, which may have 16 MiB.
pub(super) const RESPONSE_LIMIT: MessageLimit = MessageLimit {
    bytes: 16 << 20,
    what: "a response",
    advice: "this is no response of a MySQL or MariaDB server",
};

/// A message, or the begin of one.
pub(super) enum Received {
    Message(Bytes),
    /// The first piece of a long message.
    Begun(Piece),
}

/// What the end of waiting means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A response is due.
    Response(Duration),
    /// A heartbeat is due.
    Heartbeat(Duration),
}

pub(super) struct Channel {
    transport: Box<dyn Transport>,
    input: BytesMut,
    framer: Framer,
    collector: Collector,
    pub(super) endpoint: Endpoint,
    pub(super) waiting: Waiting,
    /// Since when further bytes are waited for: reads that are dropped and begun again share one timeout.
    waiting_since: Option<Instant>,
}

impl Channel {
    pub(super) fn new(transport: Box<dyn Transport>, endpoint: Endpoint, timeout: Duration) -> Self {
        Self {
            transport,
            input: BytesMut::with_capacity(BUFFER_BYTES),
            framer: Framer::default(),
            collector: Collector::default(),
            endpoint,
            waiting: Waiting::Response(timeout),
            waiting_since: None,
        }
    }

    /// Sends a command, the first message of an exchange.
    pub(super) async fn send_command(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        self.framer.begin_command();
        self.waiting_since = None;
        self.send(payload).await
    }

    /// Sends a message within an exchange.
    pub(super) async fn send(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        if payload.len() >= MAX_PAYLOAD {
            let what = format!("a request of {} bytes is too long: the limit is 16 MiB", payload.len());
            return Err(ConnectionError::InvalidRequest { what });
        }
        let packet = [&self.framer.header(payload.len())[..], payload].concat();
        let written = async {
            self.transport.write_all(&packet).await?;
            self.transport.flush().await
        };
        let waiting = self.waiting;
        match tokio::time::timeout(waiting.time(), written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.endpoint.lost(Some(error))),
            Err(_) => Err(self.timed_out()),
        }
    }

    /// Receives a message that is no error.
    pub(super) async fn receive(&mut self, phase: Phase) -> Result<Bytes, ConnectionError> {
        let message = self.receive_message(RESPONSE_LIMIT, |_| None).await?;
        match message.first() {
            Some(&ERROR_MARKER) => Err(self.decode_error(&message, phase)),
            _ => Ok(message),
        }
    }

    /// Returns the error of an error packet.
    pub(super) fn decode_error(&self, message: &[u8], phase: Phase) -> ConnectionError {
        match server_error::decode(message) {
            Some(error) => self.endpoint.server_error(error, phase),
            None => self.endpoint.malformed("an incomplete error packet"),
        }
    }

    /// Receives a message; `expected_bytes` reads its size from its first piece.
    pub(super) async fn receive_message(
        &mut self,
        limit: MessageLimit,
        expected_bytes: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Bytes, ConnectionError> {
        match self.receive_or_begin(limit, expected_bytes, |_| false).await? {
            Received::Message(message) => Ok(message),
            Received::Begun(_) => Err(self.endpoint.malformed("a message that is no whole one")),
        }
    }

    /// Receives a message, or only its first piece, if `is_long` says so of that; the others are to be
    /// received by [`Self::receive_piece`] then. Cancel-safe.
    pub(super) async fn receive_or_begin(
        &mut self,
        limit: MessageLimit,
        expected_bytes: impl Fn(&[u8]) -> Option<usize>,
        is_long: impl Fn(&Piece) -> bool,
    ) -> Result<Received, ConnectionError> {
        loop {
            let piece = self.receive_piece().await?;
            if self.collector.is_empty() && is_long(&piece) {
                return Ok(Received::Begun(piece));
            }
            let added = self.collector.add(piece, limit.bytes, &expected_bytes);
            let added = added.map_err(|e| self.endpoint.packet_error(e, limit.what, limit.advice))?;
            if let Some(message) = added {
                return Ok(Received::Message(message));
            }
        }
    }

    /// Receives the next piece of a message.
    pub(super) async fn receive_piece(&mut self) -> Result<Piece, ConnectionError> {
        loop {
            let next = self.framer.next(&mut self.input);
            if let Some(piece) = next.map_err(|e| self.endpoint.packet_error(e, "", ""))? {
                return Ok(piece);
            }
            self.fill().await?;
        }
    }

    /// Waits until the next message has begun; returns the length of its first packet and its first byte.
    /// Cancel-safe.
    pub(super) async fn peek(&mut self) -> Result<(usize, u8), ConnectionError> {
        loop {
            if let Some(begin) = self.framer.peek(&self.input) {
                return Ok(begin);
            }
            self.fill().await?;
        }
    }

    /// Waits for further bytes.
    async fn fill(&mut self) -> Result<(), ConnectionError> {
        if self.input.capacity() - self.input.len() < MIN_READ_BYTES {
            self.input.reserve(BUFFER_BYTES);
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let read = self.transport.read_buf(&mut self.input);
        match tokio::time::timeout_at(since + self.waiting.time(), read).await {
            Ok(Ok(0)) => Err(self.endpoint.lost(None)),
            Ok(Ok(_)) => {
                self.waiting_since = None;
                Ok(())
            }
            Ok(Err(error)) => Err(self.endpoint.lost(Some(error))),
            Err(_) => Err(self.timed_out()),
        }
    }

    fn timed_out(&self) -> ConnectionError {
        let server = self.endpoint.server.clone();
        match self.waiting {
            Waiting::Response(seconds) => ConnectionError::Timeout { server, seconds },
            Waiting::Heartbeat(seconds) => ConnectionError::Silent { server, seconds },
        }
    }

    /// Closes the connection: what arrives later must not be taken for a response to another command.
    pub(super) fn close(&mut self) {
        self.transport = Box::new(tokio::io::empty());
        self.input.clear();
        self.framer = Framer::default();
        self.collector = Collector::default();
    }

    /// Replaces the transport by one over it. Bytes that have arrived before are an error: they would be
    /// taken for bytes of the new transport.
    pub(super) async fn upgrade<F>(
        self,
        upgrade: impl FnOnce(Box<dyn Transport>) -> F,
    ) -> Result<Self, ConnectionError>
    where
        F: Future<Output = Result<Box<dyn Transport>, ConnectionError>>,
    {
        if !self.input.is_empty() {
            return Err(self.endpoint.malformed("data before the TLS handshake"));
        }
        let transport = upgrade(self.transport).await?;
        Ok(Self { transport, ..self })
    }
}

impl Waiting {
    fn time(self) -> Duration {
        match self {
            Self::Response(time) | Self::Heartbeat(time) => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of the log waits for other things too, and begins to read again after each of them.
    #[tokio::test(start_paused = true)]
    async fn dropped_reads_share_one_timeout() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let endpoint = Endpoint { server: "db".into(), user: "me".into(), account: "'me'@'%'".into() };
        let mut channel = Channel::new(Box::new(ours), endpoint, Duration::from_secs(30));
        let mut read = async || {
            let read = channel.receive(Phase::Query);
            tokio::time::timeout(Duration::from_secs(20), read).await.ok()
        };
        assert!(read().await.is_none(), "20 s have passed");
        theirs.write_all(&[1]).await.unwrap();
        assert!(read().await.is_none(), "another 20 s, but a byte has arrived");
        let timed_out = read().await.expect("30 s after the byte").unwrap_err();
        assert!(matches!(timed_out, ConnectionError::Timeout { .. }), "{timed_out}");
    }
}
