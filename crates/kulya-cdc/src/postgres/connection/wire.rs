//! A connection that exchanges frames with the server: connects, authenticates, sends and receives.

use super::frames::{Frame, FrameBuffer};
use super::server_error::ServerError;
use super::session::{NO_TRANSACTION_TIMEOUT, SESSION_OPTIONS};
use super::startup::{Purpose, Startup, Step};
use super::transport::{self, Transport};
use crate::postgres::settings::Target;
use crate::{CdcError, CdcErrorKind, CdcResult};
use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::message::frontend;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The size of a read in bytes.
const READ_BYTES: usize = 128 << 10;

/// A connection.
pub(super) struct Wire {
    stream: Transport,
    buffer: FrameBuffer,
    server: String,
}

impl Wire {
    /// Connects and authenticates.
    ///
    /// # Errors
    /// `Unreachable`, `Busy`, `Configuration`.
    pub(super) async fn open(target: &Target, purpose: Purpose) -> CdcResult<Self> {
        let stream = transport::open(target).await?;
        let mut wire = Self { stream, buffer: FrameBuffer::default(), server: target.server() };
        let start = wire.authenticate(target, purpose);
        match tokio::time::timeout(target.connect_timeout, start).await {
            Ok(result) => result?,
            Err(_) => return Err(wire.lost("it does not respond")),
        }
        wire.query_row(NO_TRANSACTION_TIMEOUT, target.liveness.lost_after).await?;
        Ok(wire)
    }

    async fn authenticate(&mut self, target: &Target, purpose: Purpose) -> CdcResult<()> {
        let mut startup = Startup::new(target, purpose);
        let options = format!("{} {SESSION_OPTIONS} -c lc_monetary=C", target.options);
        let first = startup.first_message(&options)?;
        self.send(&first).await?;
        loop {
            match startup.on_frame(self.next_frame().await?)? {
                Step::Send(message) => self.send(&message).await?,
                Step::Ready => return Ok(()),
            }
        }
    }

    /// Sends bytes. When the future is dropped meanwhile, the connection must be given up.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(super) async fn send(&mut self, mut message: &[u8]) -> CdcResult<()> {
        let sent = async {
            while message.has_remaining() {
                self.stream.write_buf(&mut message).await?;
            }
            self.stream.flush().await
        };
        let sent: Result<(), std::io::Error> = sent.await;
        sent.map_err(|e| self.lost("see the cause").because(e))
    }

    /// Detaches the connection from the runtime's event loop, until an access finds that it has to wait.
    pub(super) fn detach(&mut self) {
        transport::detach(&mut self.stream);
    }

    /// Waits until more bytes have arrived; returns their number. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `Unreachable` when the connection is closed.
    pub(super) async fn receive(&mut self) -> CdcResult<usize> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer.bytes).await {
            Ok(0) => Err(self.lost("it closed the connection")),
            Ok(bytes) => Ok(bytes),
            Err(e) => Err(self.lost("see the cause").because(e)),
        }
    }

    /// Takes the next frame that has arrived.
    ///
    /// # Errors
    /// `Source` for a length that no frame has.
    pub(super) fn take_frame(&mut self) -> CdcResult<Option<Frame>> {
        self.buffer
            .take()
            .map_err(|length| CdcError::source(format!("the server sent a message of {} bytes", length.0)))
    }

    /// Returns the size of the frame of which only a part has arrived, as far as it will be kept, in bytes; 0
    /// if it is not known.
    pub(super) fn wanted_bytes(&self) -> usize {
        self.buffer.wanted_bytes()
    }

    /// Waits until the beginning of the next frame has arrived; returns its type.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub(super) async fn next_tag(&mut self) -> CdcResult<u8> {
        loop {
            if let Some(tag) = self.buffer.next_tag() {
                return Ok(tag);
            }
            self.receive().await?;
        }
    }

    /// Waits for the next frame. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`receive`](Self::receive) and [`take_frame`](Self::take_frame).
    pub(super) async fn next_frame(&mut self) -> CdcResult<Frame> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            self.receive().await?;
        }
    }

    /// Runs a statement and returns the values of its first row, none without a row.
    ///
    /// # Errors
    /// What the server reports; `Unreachable` when it does not respond in time.
    pub(super) async fn query_row(&mut self, sql: &str, timeout: Duration) -> CdcResult<Vec<Option<Bytes>>> {
        let mut query = BytesMut::new();
        frontend::query(sql, &mut query)
            .map_err(|e| CdcError::configuration("a statement has a zero byte").because(e))?;
        self.send(&query).await?;
        let result = async {
            let mut result = Ok(Vec::new());
            loop {
                let frame = self.next_frame().await?;
                match frame.tag {
                    b'D' if result.as_ref().is_ok_and(Vec::is_empty) => {
                        result = row(frame.payload).ok_or_else(|| CdcError::source("malformed row"));
                    }
                    b'E' => result = Err(self.server_error(&frame.payload)),
                    b'Z' => return result,
                    _ => {}
                }
            }
        };
        let result: Result<CdcResult<_>, _> = tokio::time::timeout(timeout, result).await;
        result.unwrap_or_else(|_| Err(self.lost("it does not respond")))
    }

    /// Returns the error that the payload of an error frame reports.
    pub(super) fn server_error(&self, payload: &[u8]) -> CdcError {
        ServerError::parse(payload).on_statement(&self.server)
    }

    pub(super) fn lost(&self, why: &str) -> CdcError {
        let what = format!("the connection to PostgreSQL at {} is lost: {why}", self.server);
        CdcError::new(CdcErrorKind::Unreachable, what)
    }
}

/// Parses a row of texts; `None` for malformed bytes.
fn row(mut payload: Bytes) -> Option<Vec<Option<Bytes>>> {
    let columns = payload.try_get_u16().ok()?;
    let mut values = Vec::new();
    for _ in 0..columns {
        let length = payload.try_get_i32().ok()?;
        values.push(match usize::try_from(length) {
            Ok(length) if length <= payload.len() => Some(payload.split_to(length)),
            Ok(_) => return None,
            Err(_) => None,
        });
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_parsed() {
        let parsed = |bytes: &[u8]| row(Bytes::copy_from_slice(bytes));
        let bytes = b"\0\x03\0\0\0\x01a\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(parsed(bytes), Some(vec![Some(Bytes::from_static(b"a")), None, Some(Bytes::new())]));
        for bad in [&b""[..], b"\0", b"\0\x01", b"\0\x01\0\0\0\x02a"] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_rejected(bytes: Vec<u8>) {
            let _ = row(bytes.into());
        }
    }
}
